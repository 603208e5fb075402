"""Who computes: this process, or any ``concurrent.futures.Executor``; and what it may cost."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def ordered(
    executor: Executor | None, function: Callable[[Task], Result], tasks: Sequence[Task]
) -> Iterator[Result]:
    """The function of every task, in their order, so that it does not matter who computes them.

    A task whose worker died with its pool is computed here.
    """
    if executor is None:
        yield from map(function, tasks)
        return
    futures = [executor.submit(function, one) for one in tasks]
    try:
        for task, future in zip(tasks, futures, strict=True):
            try:
                yield future.result()
            except BrokenExecutor:
                yield function(task)
    finally:
        for future in futures:
            future.cancel()


Progress = Callable[[str, int, float], None]
"""(what is done, evaluations spent, the best error so far)"""


@dataclass
class Ledger:
    """Evaluations of the model, of one sample each.

    Attributes:
        budget: how many a search may take; None for as many as it wants.
        spent: how many it took.
        best: the smallest error so far.
        progress: called as it changes.
        is_cut: whether the budget left something undone.
    """

    budget: int | None = None
    spent: int = 0
    best: float = float("inf")
    progress: Progress | None = None
    is_cut: bool = False

    def allows(self, cost: int) -> bool:
        """Whether so many are left."""
        return self.budget is None or self.spent + cost <= self.budget

    def charge(self, stage: str, cost: int, best: float = float("inf")) -> None:
        """Count some, and an error that they found."""
        self.spent += cost
        self.best = min(self.best, best)
        if self.progress is not None:
            self.progress(stage, self.spent, self.best)
