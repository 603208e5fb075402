"""What is audited, and on which problem.

Every peer is the library's own code. It gets the exact network of a mixture of two Gaussians and
a grid from lambda = -1 to lambda = 2, put into its table of noise levels so that no rounding to
integer times enters. The interval is where the network changes: an order that a first step spoils
is seen only if something happens there.
"""

from collections.abc import Callable
from dataclasses import dataclass

from solvergen.measurement.problems import Floats
from solvergen.program.interpreter import Model
from solvergen.specification import presets
from solvergen.specification.presets import Preset

HALF_LOG_SNRS = (-1.0, 2.0)
FLOAT32, FLOAT64 = 5e-6, 1e-11
"""Errors below are rounding."""


@dataclass(frozen=True)
class Grid:
    """Where a peer steps: times, decreasing, and alpha and sigma there."""

    times: Floats
    alpha: Floats
    sigma: Floats

    @property
    def steps(self) -> int:
        return len(self.times) - 1


@dataclass(frozen=True)
class Exercise:
    """A schedule, the values of lambda from which and to which, and eta of the reverse SDE."""

    schedule: str
    span: tuple[float, float]
    eta: int


PeerRun = Callable[[Model, Floats, Grid], Floats]
"""(network, sample at the start, grid) -> sample at the end."""


@dataclass(frozen=True)
class Peer:
    """Another library's solver.

    Attributes:
        library: the package that it is in.
        name: what it is there.
        claimed: the order that its documentation or paper states.
        run: runs the library's code.
        ours: the name of the correct preset.
        published: the preset that takes the same steps; None if none can.
        schedule: the noise schedule that both run on.
        prediction: what the network returns to the peer.
        spacing: of the grid.
        stride: of our grid in the peer's, for singlestep methods that count stages as steps.
        floor: errors below are the peer's rounding: some compute in float32 whatever they get.
        eta: of the reverse SDE that is solved, its noise left out (``measure.drift``).
        span: the values of lambda from which and to which.
    """

    library: str
    name: str
    claimed: int
    run: PeerRun
    ours: str
    published: Preset | None = None
    schedule: str = "vp_linear"
    prediction: str = "noise"
    spacing: str = "half_log_snr"
    stride: int = 1
    floor: float = FLOAT64
    eta: int = 0
    span: tuple[float, float] = HALF_LOG_SNRS

    @property
    def preset(self) -> Preset:
        """The correct one."""
        return presets.find(self.ours)

    @property
    def problem(self) -> Exercise:
        """What is solved."""
        return Exercise(self.schedule, self.span, self.eta)

    def __str__(self) -> str:
        return f"{self.library} {self.name}"
