"""A model's training as jobs, each a loop that can be gone on with after it was killed.

Comes in: the params block of a model, its id streams, and a folder for snapshots. Comes out, per
job: history rows, and the weights of each seed as the bytes of its file. Writes nothing but
snapshots.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recurrence import graphs, params
from recurrence.code import Code
from recurrence.console import Advance, progress, say
from recurrence.device import numerics_of
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, build_model, checkpoint
from recurrence.model.stacked import Stacked
from recurrence.processes import side_by_side
from recurrence.randomness import derived_seed
from recurrence.training import batches, memory, ranks, resume, stack, telling
from recurrence.training.capture import CapturedStep, capturable
from recurrence.training.divergence import Diverged
from recurrence.training.learner import Learner
from recurrence.training.ranks import RankKeeper, Ranks
from recurrence.training.trainer import Trainer

PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Job:
    """Seeds trained in one loop, by one protocol: `ordered`, or `as_notebook` on the notebook's own
    windows.
    """

    seeds: tuple[int, ...]
    protocol: str

    @property
    def name(self) -> str:
        return f"seed{'_'.join(map(str, self.seeds))}-{self.protocol}"


@dataclass(frozen=True)
class Leg:
    """The part of a job between two epochs, done in one process."""

    job: Job
    since: int
    until: int


@dataclass(frozen=True)
class Trained:
    """What a job leaves."""

    rows: list[dict[str, Any]]
    weights: dict[int, bytes]
    """By seed; none for `as_notebook`, whose figures alone are wanted."""
    divergences: int


@dataclass(frozen=True)
class Training:
    """What the jobs of a model have in common; `run` does one of them, in any process."""

    block: params.Model
    vocab_size: int
    streams: Sequence[NDArray[np.integer]]
    device: torch.device
    folder: Path
    """Where snapshots are kept; one folder for each job."""
    started: float
    """On time.monotonic's clock, put back by what processes that were killed had spent before."""
    ranks: Ranks | None = None
    """The processes that do each job together, where there are several."""

    @cached_property
    def stacks(self) -> bool:
        """Whether seeds are computed as a stack: then even one alone, on a CPU.

        How many seeds share a process depends on how many cores there are, and must not show in the
        last bits. A GPU has all of them in one.
        """
        alone = self.device.type != "cpu" and len(self.block.seeds) == 1
        suits = self.ranks is None and not alone
        return suits and stack.pays(self.block, self.vocab_size, self.device)

    @property
    def recipe(self) -> params.Recipe:
        assert self.block.recipe is not None
        return self.block.recipe

    @property
    def epochs(self) -> int:
        """How many epochs one job has."""
        return sum(phase.epochs for phase in self.recipe.phases)

    def jobs(self, at_a_time: int = 1) -> list[Job]:
        """The work in parts, of which so many can be done at a time; what comes out does not depend
        on how many.

        Each part is one seed, or as many as are sooner trained together; all come once more on the
        notebook's windows where the recipe has them.
        """
        split = self.recipe.batches.notebook_split
        protocols = ["ordered"] if split == "none" else ["ordered", "as_notebook"]
        lots = stack.dealt(self.block.seeds, at_a_time if self.stacks else len(self.block.seeds))
        return [Job(lot, protocol) for lot in lots for protocol in protocols]

    def run_all(self, jobs: Sequence[Job], processes: int) -> list[Trained]:
        """What each job leaves, in their order: side by side in so many processes, or here, one
        after another (0).
        """
        name = f"{self.block.corpus}/{self.block.name}"
        with progress(name, len(jobs) * self.epochs, "epochs") as advance:
            done = self._all_done(jobs, processes, advance)
        for row in (row for job in jobs for row in done[job].rows):
            if row["epoch"] == self.epochs:
                say(f"{name} {told(row)}")
        return [done[job] for job in jobs]

    def _all_done(
        self, jobs: Sequence[Job], processes: int, advance: Advance
    ) -> dict[Job, Trained]:
        if not processes:
            return {job: self.run(job, advance) for job in jobs}
        done = {}
        with telling.heard(advance) as handle:
            work = partial(self._tell_leg, handle)
            for leg, trained in side_by_side(
                work, self.legs(jobs, processes), processes, self._rest
            ):
                if trained is not None:
                    done[leg.job] = trained
        return done

    def _tell_leg(self, handle: int, leg: Leg) -> Trained | None:
        """In a process of its own."""
        return self.run_leg(leg, telling.Teller(handle, leg.job.name))

    def legs(self, jobs: Sequence[Job], processes: int) -> list[Leg]:
        """The order to begin in. What is left over where jobs are dealt out evenly is begun first,
        left half done, and ended last: no process has more than half a job to do while others have
        none.
        """
        over = len(jobs) % processes if len(jobs) > processes and self.epochs > 1 else 0
        halves = [Leg(job, 0, self.epochs // 2) for job in jobs[:over]]
        return [*halves, *map(self._whole, jobs[over:])]

    def _whole(self, job: Job) -> Leg:
        return Leg(job, 0, self.epochs)

    def _rest(self, leg: Leg, trained: Trained | None) -> Leg | None:
        return Leg(leg.job, leg.until, self.epochs) if trained is None else None

    def run(self, job: Job, advance: Advance | None = None) -> Trained:
        """Do a job, from its newest snapshot if it has one; `advance` hears of epochs.

        Raises RecurrenceError when the loss stops being finite, and says where the last good state
        is.
        """
        trained = self.run_leg(self._whole(job), advance)
        assert trained is not None
        return trained

    def run_leg(self, leg: Leg, advance: Advance | None = None) -> Trained | None:
        """`run` for a part of a job; None where it is not the last."""
        tell = advance or (lambda amount, note="", earlier=False: None)
        memory.keep()
        job = leg.job
        trainer = self._trainer(job)
        keeper = self._keeper(job)
        self._resume(leg, trainer, keeper)
        tell(trainer.epoch + trainer.done / len(trainer.train), earlier=True)
        if trainer.epoch < leg.until:
            try:
                self._run(leg, trainer, keeper, tell)
            except Diverged as diverged:
                keeper.save(trainer.good)
                raise RecurrenceError(self._advice(job, diverged, trainer, keeper)) from diverged
            keeper.save(trainer.state_dict())
        return _trained(job, trainer) if trainer.finished else None

    def _resume(self, leg: Leg, trainer: Trainer, keeper: resume.Keeper) -> None:
        if (snapshot := keeper.latest()) is None:
            return
        trainer.load_state_dict(snapshot)
        if (trainer.epoch, trainer.done) != (leg.since, 0):
            where = f"resumed at epoch {trainer.epoch + 1}, step {trainer.done + 1}"
            say(
                f"{self._name(leg.job)}: "
                f"{'was trained to its end before' if trainer.finished else where}"
            )

    def _run(self, leg: Leg, trainer: Trainer, keeper: resume.Keeper, tell: Advance) -> None:
        job = leg.job
        for row in trainer.run(
            tick=lambda batches: tell(batches / len(trainer.train)),
            pause=lambda: keeper.pause(trainer),
            say=lambda words: say(f"{self._name(job)}: {words}"),
        ):
            tell(0, told({"seed": job.seeds[-1], "protocol": job.protocol, **asdict(row)}))
            if trainer.epoch == leg.until:
                break

    def _advice(self, job: Job, diverged: Diverged, trainer: Trainer, keeper: resume.Keeper) -> str:
        good = trainer.good.facts
        where = f"epoch {good['epoch'] + 1}, step {good['done'] + 1}"
        return (
            f"{self._name(job)}: {diverged}. The last good state ({where}) is kept in "
            f"{keeper.folder}. "
            f"In its recipe, lower phases.{trainer.phase}.schedule.lr, or bound the gradient by "
            f"clip; "
            f"on_divergence: {{reduce_lr: 0.5, at_most: 3}} would go back and on at half the rate"
        )

    def _name(self, job: Job) -> str:
        seeds = ", ".join(map(str, job.seeds))
        return f"{self.block.corpus}/{self.block.name} seed {seeds}" + _SPLIT[job.protocol]

    def _trainer(self, job: Job) -> Trainer:
        """A job's trainer at its beginning."""
        train, valid = (
            torch.from_numpy(ids.astype(np.int64)).to(self.device) for ids in self.streams
        )
        loaders = [ordered(train, valid, self.recipe)] * len(job.seeds)
        rngs = [np.random.default_rng(self._derived(seed, "batches", job)) for seed in job.seeds]
        if job.protocol != "ordered":
            whole = torch.cat((train, valid))
            loaders = [batches.notebook_windows(whole, self.recipe.batches, rng) for rng in rngs]
        models, masks = zip(*(self._model(seed, job) for seed in job.seeds), strict=True)
        if self.ranks is not None:
            learner = ranks.learner(models[0], self.recipe, self.ranks)
            return Trainer(learner, *loaders[0], rngs[0])
        parts = stack.beside(loaders, rngs) if self.stacks else (*loaders[0], rngs[0])
        model = Stacked(models, masks).train() if self.stacks else models[0]
        if self.device.type != "cuda":
            return Trainer(Learner(model, self.recipe), *parts)
        learner = Learner(model, self.recipe, build=capturable(self.recipe))
        make = graphs.maker(self.device, masks if self.stacks else ())
        return Trainer(learner, *parts, CapturedStep(learner, make))

    def _model(self, seed: int, job: Job) -> tuple[LanguageModel, torch.Generator]:
        """A seed's model, and a generator that goes on as torch's own on the device does from
        here.
        """
        torch.manual_seed(self._derived(seed, "train", job))
        model = build_model(self.block, self.vocab_size)
        masks = torch.Generator(self.device)
        on_gpu = self.device.type == "cuda"
        masks.set_state(torch.cuda.get_rng_state(self.device) if on_gpu else torch.get_rng_state())
        return model.to(self.device), masks

    def _derived(self, seed: int, purpose: str, job: Job) -> int:
        return derived_seed(seed, self.block.corpus, self.block.name, purpose, job.protocol)

    def _keeper(self, job: Job) -> resume.Keeper:
        folder = self.folder / job.name
        return (
            resume.Keeper(folder, self.started)
            if self.ranks is None
            else RankKeeper(folder, self.started, self.ranks)
        )


_SPLIT = {"ordered": "", "as_notebook": " as the notebook split"}


def told(row: dict[str, Any]) -> str:
    """A row of the history in words."""
    figures = (
        f"train {row['train_nats']:.4f}, valid {row['valid_nats']:.4f}, accuracy "
        f"{row['valid_accuracy']:.4f}"
    )
    return f"seed {row['seed']}{_SPLIT[row['protocol']]}: {figures} after epoch {row['epoch']}"


def ordered(
    train: torch.Tensor, valid: torch.Tensor, recipe: params.Recipe
) -> tuple[batches.Loader, batches.Loader]:
    """Loaders on the ordered split: ours for `exact`, and the notebook's own validation for
    as_notebook.
    """
    return (
        batches.loader(train[: recipe.sample_tokens], recipe.batches, train=True),
        batches.loader(
            valid[recipe.batches.skip_valid :][: recipe.sample_tokens], recipe.batches, train=False
        ),
    )


def _trained(job: Job, trainer: Trainer) -> Trained:
    nets = trainer.learner.nets
    rows, weights = list[dict[str, Any]](), dict[int, bytes]()
    for i, (seed, net) in enumerate(zip(job.seeds, nets, strict=True)):
        own = trainer.rows[i :: len(nets)]
        rows += [{"seed": seed, "protocol": job.protocol, **asdict(row)} for row in own]
        if job.protocol == "ordered":
            weights[seed] = checkpoint.packed(net.state_dict())
    return Trained(rows, weights, trainer.divergences)


def digest(
    block: params.Model, vocab_size: int, device: torch.device, compute: params.Compute, ids: Path
) -> str:
    """The key under which snapshots are kept: a digest of all that a training's result depends on.

    In fast numerics but for the number of threads, and what the processor does with a sum: where
    these change on the way, a training is gone on with all the same, and its last bits are of both.
    """
    facts = {
        "model": block.model_dump(mode="json"),
        "vocab_size": vocab_size,
        "torch": torch.__version__,
    }
    facts |= {
        "device": device.type,
        "precision": compute.precision,
        "deterministic": compute.deterministic,
        "numerics": numerics_of(device),
    }
    return resume.key(facts, [*code(block.core), ids / "train.npy", ids / "valid.npy"])


def code(core: str) -> list[Path]:
    """The files that decide what a training does: what the stage reads, as data/code.json has
    it.
    """
    read = Code(PACKAGE).read(["stages.train", f"cores.{core}"])
    return [PACKAGE / file for file in sorted(read.files)]
