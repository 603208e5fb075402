"""What a search reports: errors on noises that nothing was chosen on, and what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass

from solvergen.algebra.typesetting import columns, paragraphs, table
from solvergen.tuning.examples import Score

CLOSE = 5.0
"""Times the teacher's own difference: a smaller error may be that of the teacher."""


@dataclass(frozen=True)
class Line:
    """One solver.

    Attributes:
        name: tuned, published, or what the user named.
        solver: method and grid.
        evaluations: calls of the model.
        score: on the noises that are held out.
        errors: of every sample of them.
        timesteps: its grid.
    """

    name: str
    solver: str
    evaluations: int
    score: Score
    errors: tuple[float, ...]
    timesteps: tuple[float, ...]


@dataclass(frozen=True)
class Report:
    """A search in numbers.

    Attributes:
        model: its name and, if it has one, the hash of its parameters.
        evaluations: calls of the model in a run.
        lines: the tuned solver first, then the best published one, and others.
        stages: (name, score on the validation noises, whether it was kept).
        difference: of the teacher from one of twice the steps.
        teacher: what it was.
        cost: evaluations of single samples, the teacher's included.
        noises: how many it was tuned, validated and reported on.
        seed: of the noises.
        span: where a run starts and ends.
        stopped: why it ended early; empty if it did not.
        remark: on the coefficients, if they were fitted.
    """

    model: str
    evaluations: int
    lines: tuple[Line, ...]
    stages: tuple[tuple[str, Score, bool], ...]
    difference: float
    teacher: str
    cost: int
    noises: tuple[int, int, int]
    seed: int
    span: tuple[float, float]
    stopped: str = ""
    remark: str = ""

    @property
    def tuned(self) -> Line:
        """The tuned solver."""
        return self.lines[0]

    @property
    def published(self) -> Line:
        """The best published one."""
        return self.lines[1]

    @property
    def warning(self) -> str:
        """What a reader should know; empty if nothing."""
        if self.tuned.score.geometric_mean >= CLOSE * self.difference:
            return ""
        return (
            f"the error of the tuned solver, {self.tuned.score.geometric_mean:.2g}, is below "
            f"{CLOSE:g} times what the teacher differs by from itself, {self.difference:.2g}: give "
            "the teacher more steps to tell how small it is."
        )

    def _parts(self) -> tuple[str, tuple[tuple[str, ...], ...], tuple[str, ...]]:
        """A lead, the cells of a table, and what follows it."""
        tuned, validated, held = self.noises
        lead = (
            f"{self.evaluations} evaluations of {self.model}, t = {self.span[0]:g} to "
            f"{self.span[1]:g}. RMS errors against the flow of the same model ({self.teacher}, "
            f"which differs by {self.difference:.1e} from twice the steps), on {held} noises that "
            f"nothing was chosen on:"
        )
        stages = "; ".join(
            f"{name} {score.geometric_mean:.2g}" + ("" if kept else " (not kept)")
            for name, score, kept in self.stages
        )
        search = (
            f"Stages on the validation noises: {stages}. Tuned on {tuned} noises, validated on "
            f"{validated}, seed {self.seed}; {self.cost} evaluations of single samples."
        )
        rest = (search, *(one for one in (self.remark, self.warning, self.stopped) if one))
        return lead, _cells(self.lines), rest

    def __str__(self) -> str:
        lead, cells, rest = self._parts()
        return "\n\n".join((lead, columns(cells), *rest))

    def _repr_html_(self) -> str:
        """For notebooks."""
        lead, cells, rest = self._parts()
        return "\n".join((paragraphs(lead), table(cells), paragraphs(*rest)))


def _cells(lines: Sequence[Line]) -> tuple[tuple[str, ...], ...]:
    head = ("", "geometric mean", "median", "RMSE", "calls", "solver")
    rows = (
        (
            one.name,
            f"{one.score.geometric_mean:.2e}",
            f"{one.score.median:.2e}",
            f"{one.score.rms:.2e}",
            str(one.evaluations),
            one.solver,
        )
        for one in lines
    )
    return (head, *rows)


def header(report: Report) -> str:
    """What a tuned module says of itself, in one paragraph."""
    tuned, published = report.tuned, report.published
    tune, validate, held = report.noises
    start, end = report.span
    return (
        f"Tuned for {report.model} at {report.evaluations} evaluations, from t = {start:g} to "
        f"{end:g}: valid for this model, this number and this range. "
        f"{report.remark + ' ' if report.remark else ''}"
        f"RMS errors against its own flow (known to {report.difference:.1e}) on {held} held-out "
        f"noises, geometric mean / median / RMSE: {_three(tuned.score)}; {published.solver}, the "
        f"best published solver: {_three(published.score)}. Chosen on {tune} noises, validated on "
        f"{validate}, seed {report.seed}, with {report.cost} evaluations of single samples."
    )


def _three(score: Score) -> str:
    return f"{score.geometric_mean:.2e} / {score.median:.2e} / {score.rms:.2e}"
