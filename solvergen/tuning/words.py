"""What a search says: rows of a table, and in words why a method is the best."""

from collections.abc import Sequence

from solvergen.schedules import named
from solvergen.tuning.methods import Setting
from solvergen.tuning.search import Trial

CLOCKS = {
    "theta": "the angle of (alpha, sigma)",
    "sigma/(alpha+sigma)": "the noise fraction, the time of a rectified flow of the same noise",
    "time": "the schedule's own time",
    "half_log_snr": "lambda",
    "sigma/alpha": "the noise level of the rescaled sample",
}
EVEN = {
    "time": "t",
    "quadratic": "the root of t",
    "cubic": "the cube root of t",
    "half_log_snr": "lambda",
    "theta": "theta",
    "karras": "(sigma/alpha)^(1/7)",
    "shift 3": "t, shifted by 3",
}
VALUES = {
    "data": "the denoised sample moves little once it is decided what it will be",
    "noise": "the noise moves little while the sample is mostly noise",
    "velocity": "it is steady all along where data and noise are about as large",
    "flow": "the path is nearly straight",
    "straight": "it is the flow of the same data under the schedule with alpha + sigma = 1",
}


FINITE = (
    "third order in a variable that stays finite takes a fifth to a hundredth of the evaluations "
    "of first order on broad data whose paths bend"
)
LAMBDA = (
    "lambda wins where data are narrow beside the noise, and a variable that stays finite where "
    "they are broad"
)
"""What ``solvergen compare`` found, which docs/schedules.md shows."""


def cells(rows: Sequence[tuple[Trial, int]]) -> tuple[tuple[str, ...], ...]:
    """Trials with their orders as rows of a table, below its head."""
    found = (
        (
            f"{one.score.geometric_mean:.2g}",
            f"{one.score.median:.2g}",
            str(one.run.evaluations),
            str(order),
            one.candidate.grid,
            str(one.candidate.method),
        )
        for one, order in rows
    )
    return (("error", "median", "calls", "order", "grid", "solver"), *found)


def why(best: Trial, published: Trial) -> str:
    """Which clock, which integrand, and what they win."""
    method = best.candidate.method
    ratio = published.error / best.error
    clock = CLOCKS.get(method.expansion, "its own clock")
    return (
        f"It integrates {method.integrand}: {VALUES.get(method.integrand, 'a published choice')}. "
        f"It is expanded in {method.expansion}, {clock}, on "
        f"{_grid(best.candidate.grid)}. The best published solver here, {published.candidate}, has "
        f"{ratio:.2g} times its error."
    )


def _grid(name: str) -> str:
    return f"times even in {EVEN[name]}" if name in EVEN else f"the grid {name}"


def compared(best: Trial, setting: Setting, data_std: float) -> str:
    """What was measured of such variables over schedules and data, and the command for these."""
    found = LAMBDA if best.candidate.method.expansion == "half_log_snr" else FINITE
    name = setting.schedule.name
    others = [one for one in ("rectified_flow", "straight") if one != name]
    names = [name, *others] if name in named.names() else others
    return (
        f"Compared over schedules and data (docs/schedules.md), {found}: solvergen compare "
        f"--schedules {','.join(names)} --data gaussian:{data_std:g},mixture,digits"
    )
