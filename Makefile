# The face of the project: `make help` says what there is. CI calls the same commands.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 5000
JOBS ?=
KILLS ?= 200
BIN := $(abspath $(VENV))/bin
READY := $(VENV)/.ready
SPREAD := -n auto --dist loadfile  # a file of tests per core: tests of one go in order

.DEFAULT_GOAL := help
.PHONY: help run test check repro pipeline faults nightly soak ui bench readme lock

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

run: $(READY)  ## set up, then human numbers from corpus to report and MLflow (minutes, no network)
	$(BIN)/recurrence repro $(addprefix --jobs ,$(JOBS)) report@human_numbers track@human_numbers
	@echo
	@$(BIN)/recurrence verify human_numbers || true
	@echo "Read:    reports/human_numbers/index.html"
	@echo "Browse:  make ui"

test: $(READY)  ## the tests
	$(BIN)/pytest $(SPREAD) -m "not slow and not nightly"

check: $(READY)  ## lint, format, types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

repro: $(READY)  ## everything in params.yaml; whatever is up to date is left alone (JOBS=2: stages at a time)
	$(BIN)/recurrence repro $(addprefix --jobs ,$(JOBS))

pipeline: $(READY)  ## the pipeline end to end in clones, with small params; several machines and ranks (minutes)
	$(BIN)/pytest $(SPREAD) -m "slow and not nightly" --ignore tests/faults

faults: $(READY)  ## what happens when it is killed, full, broken or damaged (minutes)
	$(BIN)/pytest $(SPREAD) -m "slow and not nightly" tests/faults

nightly: $(READY)  ## the tests that take longer than CI has: attacks, every kind of fault, a short soak
	$(BIN)/pytest -m nightly

soak: $(READY)  ## kill the pipeline at random, again and again; nothing may be lost (KILLS=200, an hour)
	$(BIN)/python tests/faults/soak.py --load --kills $(KILLS) --command "$(BIN)/recurrence repro"

ui: $(READY)  ## browse the runs in MLflow, on this machine only (PORT=5000)
	$(BIN)/recurrence ui --port $(PORT)

bench: $(READY)  ## the benchmarks
	@for file in $(filter-out benchmarks/overhead.py,$(sort $(wildcard benchmarks/*.py))); do echo "== $$file"; $(BIN)/python "$$file" || exit; done

readme: $(READY)  ## write the results table of README.md, and reports/index.html, anew from reports/
	$(BIN)/python -m recurrence.reporting.readme
	$(BIN)/python -m recurrence.reporting.overview

lock: $(READY)  ## write requirements.lock anew from what is installed
	.ci/lock $(BIN) > $(VENV)/lock
	mv $(VENV)/lock requirements.lock

$(READY): requirements.lock pyproject.toml .ci/install
	@echo "Setting up $(VENV) (some minutes: torch and mlflow are large)"
	$(PYTHON) -m venv $(VENV)
	.ci/install $(BIN)
	@touch $@
