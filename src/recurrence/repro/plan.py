"""Which stage goes next: what it needs is done, it stands on the longest path of work, and there
are cores for it.

In come names, what each needs, what each is thought to cost, and how many cores it keeps busy; no
dvc, no clock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Plan:
    """Stages on their way from waiting through unchecked and due to done; `needs` in an order that
    they may run in.
    """

    needs: dict[str, list[str]]
    cost: Callable[[str], float]
    cores: Callable[[str], int]
    total_cores: int
    optional: Mapping[str, set[str]] = field(default_factory=dict)
    """What a stage needs some of, but can do without any one of."""
    waiting: dict[str, set[str]] = field(init=False)
    rank: dict[str, float] = field(init=False)
    unchecked: list[str] = field(init=False, default_factory=list)
    due: list[str] = field(init=False, default_factory=list)
    running: dict[str, int] = field(init=False, default_factory=dict)
    lost: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.waiting = {
            name: set(needed) & self.needs.keys() for name, needed in self.needs.items()
        }
        self.rank = dict.fromkeys(
            self.needs, 0.0
        )  # the longest path from its start to the end of all work, in cost
        for name in reversed(self.needs):
            self.rank[name] += self.cost(name)
            for needed in self.waiting[name]:
                self.rank[needed] = max(self.rank[needed], self.rank[name])
        self._free()

    @property
    def is_open(self) -> bool:
        """Whether anything is left to do or to wait for."""
        return bool(self.waiting or self.unchecked or self.due or self.running)

    def next_due(self) -> str | None:
        """The stage to start now, which then runs; None where nothing is due, or nothing that fits
        beside the others.

        What keeps more cores busy than there are gets all of them.
        """
        free = self.total_cores - sum(self.running.values())
        for name in sorted(self.due, key=lambda each: -self.rank[each]):
            wanted = min(self.cores(name), self.total_cores)
            if wanted <= free:
                self.due.remove(name)
                self.running[name] = wanted
                return name
        return None

    def is_due(self, name: str) -> None:
        """It was looked at, and must be made."""
        self.unchecked.remove(name)
        self.due.append(name)

    def done(self, name: str) -> None:
        """It is up to date: what needs it may go."""
        self._leave(name)
        for needed in self.waiting.values():
            needed.discard(name)
        self._free()

    def failed(self, name: str) -> list[str]:
        """It is not: whatever cannot do without it is left out. Their names, in order."""
        self._leave(name)
        self.lost.add(name)
        left_out = []
        for each, needed in self.waiting.items():  # in an order of running, so one pass will do
            if self._is_lost(each, needed):
                self.lost.add(each)
                left_out.append(each)
            else:
                needed -= self.lost
        for each in left_out:
            del self.waiting[each]
        self._free()
        return left_out

    def _is_lost(self, name: str, needed: set[str]) -> bool:
        """Whether something is lost that a stage needs, or all that it needs some of."""
        some = self.optional.get(name, set())
        return bool(needed & self.lost - some) or bool(some) and some <= self.lost

    def _leave(self, name: str) -> None:
        self.running.pop(name, None)
        if name in self.unchecked:
            self.unchecked.remove(name)

    def _free(self) -> None:
        ready = [name for name, needed in self.waiting.items() if not needed]
        for name in ready:
            del self.waiting[name]
        self.unchecked += ready
