"""What a search says in words: tables, and why a method is the best."""

from collections.abc import Sequence

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


def table(rows: Sequence[tuple[Trial, int]]) -> str:
    """Trials with their orders, a line each."""
    cells = [("error", "median", "calls", "order", "grid", "solver")]
    for one, order in rows:
        score = one.score
        cells.append(
            (
                f"{score.geometric_mean:.2g}",
                f"{score.median:.2g}",
                str(one.run.evaluations),
                str(order),
                one.candidate.grid,
                str(one.candidate.method),
            )
        )
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]) - 1)]
    lines = (
        "  ".join([*(cell.ljust(n) for cell, n in zip(row, [*widths, 0], strict=True))]).rstrip()
        for row in cells
    )
    return "\n".join(lines)


def why(best: Trial, published: Trial) -> str:
    """Which clock, which integrand, and what they win."""
    method = best.candidate.method
    ratio = published.error / best.error
    clock = CLOCKS.get(method.expansion, "its own clock")
    return (
        f"It integrates {method.integrand}: {VALUES.get(method.integrand, 'a published choice')}. "
        f"It is expanded in {method.expansion}, {clock}, on times even in "
        f"{EVEN[best.candidate.grid]}. The best published solver here, {published.candidate}, has "
        f"{ratio:.2g} times its error."
    )
