"""What a target is: its template, how it spells a pass, and how its arrays are made.

A target is one object, ``TARGET``, in a module of this package that is called as the target is, and
one template, ``module.jinja``, in a folder of that name. Nothing else names it: the list of targets
is that of the folders, and the rendering of a module, its verification and the tests ask the
object.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from solvergen.errors import EmissionError
from solvergen.program.table import Table
from solvergen.scalars.formulas import Formulas
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification.solver import Solver
from solvergen.targets.batches import Batches

INTERFACE = (
    "ORDER", "ORDER_TO_THE_ENDS", "SPEC", "alpha", "sigma", "half_log_snr", "time_at_half_log_snr",
    "timesteps", "coefficients", "Stepper", "sample",
)  # fmt: skip
"""What modules have that take their own steps."""


Choice = tuple[str | None, str, str]
"""An integrand, the prediction if it is None, an expansion variable, and a scheme."""

USUAL: Choice = (None, "half_log_snr", "multistep:2")
ON_ANY_GRID: Choice = ("data", "sigma/(alpha+sigma)", "unipc:2:exact:ramp")
"""Less than half of the error of Euler's method in the mean over the grids that clients have, and
1.5 of it on the worst (``benchmarks/clients.py``)."""


def require_own_time(target: str, schedule: NoiseSchedule) -> None:
    """Refuse a reversed schedule where a library says at which times networks are asked.

    Raises:
        EmissionError: it is reversed.
    """
    if schedule.reversed:
        raise EmissionError(
            f"target {target}: the schedule {schedule.name} is reversed, but the library asks "
            "networks in its own time; expected the schedule without --reversed, in a time in "
            "which noise grows"
        )


@dataclass(frozen=True)
class Library:
    """What the functions of time compute with where they take arrays of a target beside numpy's.

    Attributes:
        name: of the library in a module.
        array: of the class of its arrays.
        interpolation: the source of ``_interp(t, x, y)``, which takes numpy's too.
        erf: the source of ``_erf(x)``, which takes numpy's too.
        quiet: the source of ``_quiet``, by which a function of time gives no warnings of numpy;
            empty where np.errstate is that.
        attached: the source of ``_attached(function, value, t)``: t, where function(t) = value,
            with the derivative of the inverse; that of t itself is none after a bisection, and
            none at some values where t has cases.
    """

    name: str
    array: str
    interpolation: str
    attached: str
    erf: str
    quiet: str = ""


@dataclass(frozen=True)
class Target:
    """How modules are written for one kind of array.

    Attributes:
        name: what a user types.
        dtypes: what its modules take, in words.
        to_array: a numpy array as its modules take it.
        to_numpy: the way back.
        standard: imports from Python's own library, beside those that every module has.
        requires: imports of others, numpy aside; for noise beside those.
        settings: what its template asks for beside what all do, its passes among that; refuses a
            solver that it has no place for.
        loop: what its template for one grid asks for beside what all do: the passes and the
            statements of the loop; None if it has no such modules.
        library: what the functions of time take beside numpy's arrays; None for nothing.
        batches: how it spells batches of rows; None if it takes no steps of its own.
        adapts: whether its modules have adaptive steps where the scheme estimates its error.
        interface: the names that a module has to have.
        formulas: the scalars of its modules, where they are not those in time.
        prediction: what its networks return, unless it is said.
        method: what its modules run if nothing is said.
        counts_steps: whether a step is a call of the network to its users, and a run may begin in
            the middle, so that a start-up that is not said is the one of no extra evaluations.
        normals: what its modules draw noise with; empty if that is its users' matter.
        schedules: by a schedule as it is if nothing is said, the one that its networks need.
        whole_run: what its template for one grid asks for beside what all do, where a library takes
            the steps, of a solver, its run, and alpha and sigma at its times.
        casts: x in float64, and z in the precision of x, where its modules have Brownian paths.
        has_class: whether its modules are for one class, which may be given a name.
    """

    name: str
    dtypes: str
    settings: Callable[[Solver, Formulas], dict[str, Any]]
    to_array: Callable[[NDArray[Any]], Any]
    to_numpy: Callable[[Any], NDArray[Any]]
    standard: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    requires_for_noise: tuple[str, ...] = ()
    loop: Callable[[Table], dict[str, Any]] | None = None
    library: Library | None = None
    batches: Batches | None = None
    adapts: bool = True
    interface: tuple[str, ...] = INTERFACE
    formulas: Callable[[Solver], Formulas] | None = None
    prediction: str = "noise"
    method: Choice = USUAL
    counts_steps: bool = False
    normals: str = ""
    schedules: tuple[tuple[NoiseSchedule, NoiseSchedule], ...] = ()
    casts: tuple[str, str] | None = None
    has_class: bool = False
    whole_run: Callable[..., dict[str, Any]] | None = None

    @property
    def folder(self) -> str:
        """What its module and its folder of templates are called."""
        return self.name.replace("-", "_")

    def model(self, predict: Callable[[Any, float], NDArray[Any]]) -> Callable[[Any, Any], Any]:
        """A model on numpy arrays as its modules call one."""
        return lambda x, time: self.to_array(predict(self.to_numpy(x), float(time)))
