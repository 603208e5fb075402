"""What pages say of noise: its weak order, and the law of runs on Gaussian data."""

from types import ModuleType

from solvergen.algebra.typesetting import Spelled
from solvergen.errors import SolvergenError
from solvergen.measurement.gaussian_law import CHURN, law
from solvergen.reports import page_pictures as pictures
from solvergen.reports.document import Equation, Equations, Figure, Paragraph, Section
from solvergen.specification.solver import Solver

KEPT = (
    "With noise the law of a run is compared, not the run: the moments of the chain, with the "
    "increments of the noise as symbols, beside those of the equation, as power series in h. "
)
RAISED = (
    "Before every step but the first the noise is raised, from s to r, and the step is one of the "
    "ODE from r to t. Forward noising keeps the marginals exactly, so that only the step's own "
    "error is left of the moments, if kappa falls as steps do. "
)


def section(solver: Solver) -> Section:
    """The weak order of a solver with noise."""
    chosen, report = solver.stochasticity, solver.weak_report
    assert chosen is not None
    if report is None:
        says = "All noise is drawn anew in every step: of its law no order is claimed."
        return Section("weak order", (Paragraph((says,)),))
    says = f"{RAISED if chosen.raises else KEPT}A run has {report}. Its strong order is 1."
    raised = (
        Equation(Spelled("x_r", "x_r"), Spelled(*_RAISE)),
        Equation(Spelled("lambda_r", r"\lambda_r"), Spelled(*_LEVEL)),
        Equation(Spelled("kappa", r"\kappa"), chosen.formula),
        Equation(Spelled("nu^2", r"\nu^2"), Spelled(*_SPREAD)),
    )
    blocks = (Equations(raised),) if chosen.raises else ()
    return Section("weak order", (Paragraph((says,)), *blocks))


_RAISE = "alpha_r/alpha_s x_s + nu z", r"\frac{\alpha_r}{\alpha_s} x_s + \nu z"
_LEVEL = "lambda_s - kappa", r"\lambda_s - \kappa"
_SPREAD = "sigma_r^2 (1 - e^(-2 kappa))", r"\sigma_r^2 \left(1 - e^{-2 \kappa}\right)"


def measure(solver: Solver, module: ModuleType) -> pictures.Measured:
    """The errors of the variance on Gaussian data, by the module's own steps.

    Raises:
        SolvergenError: no order is claimed of the noise.
    """
    chosen = solver.stochasticity
    assert chosen is not None
    if solver.weak_report is None:
        raise SolvergenError(
            f"stochasticity {chosen}: a page measures the order of a law, and none is claimed "
            "where all noise is drawn anew; expected another one, or the derivation as text"
        )
    start, end = pictures.between(solver.schedule, module)

    def run(steps: int) -> float:
        times = module.timesteps(steps, pictures.spacing(solver), start=start, end=end)
        given = {"churn": CHURN / steps} if chosen.raises and chosen.is_constant else {}
        return abs(law(module, solver, times, **given).variance_error)  # type: ignore[arg-type]

    return pictures.Measured.of(run)


def measured(solver: Solver, found: pictures.Measured) -> Section:
    """The slope of the errors of the variance."""
    report = solver.weak_report
    assert report is not None
    figure = Figure(
        pictures.measured_picture(found, report.order),
        f"error of the variance against steps, slope {found.slope:.2f}",
        (
            "Gaussian data in one dimension, on which a run is linear in what was drawn: the "
            "relative error of the variance of its result, computed and not sampled.",
        ),
        half=True,
    )
    return Section("measured", (figure,))
