"""Grids that a client imposes: times, noise levels, or the name of a client's own choice.

The levels of clients are sigma/alpha, as those of k-diffusion, ComfyUI and diffusers for networks
with betas; for flow schedules, alpha + sigma = 1, they are sigma itself, as theirs for flow
networks. On such a grid there is only the method to choose.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from solvergen.algebra.tables import column
from solvergen.errors import SolvergenError
from solvergen.measurement import client_grids
from solvergen.measurement.client_grids import Levels
from solvergen.naming import meant, shown
from solvergen.runs.propagator import Propagator
from solvergen.runs.scalars import Floats, ScheduleValues
from solvergen.schedules import named
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.tuning.grids import FRACTION
from solvergen.tuning.methods import Candidate, Method, Setting, Times, exists
from solvergen.tuning.search import candidates, tables

CLIENTS = ("comfyui", "diffusers")
ROUNDED = 1e-4
"""Relative: how far beyond the ends of a schedule a level may be that a client has rounded."""


@dataclass(frozen=True)
class Imposed:
    """A grid that is not to be changed.

    Attributes:
        name: as a report says it.
        times: of the schedule, decreasing.
    """

    name: str
    times: Times

    @classmethod
    def of(
        cls,
        schedule: NoiseSchedule | str,
        evaluations: int,
        timesteps: ArrayLike | None = None,
        sigmas: ArrayLike | None = None,
        grid: str | None = None,
    ) -> "Imposed | None":
        """The one that is given in one of three ways; None if there is none.

        Args:
            schedule: of the noise.
            evaluations: what a client is asked for, and the most that a run may take.
            timesteps: decreasing times.
            sigmas: falling noise levels of a client, which may end in 0.
            grid: ``comfyui:NAME`` or ``diffusers:NAME``, for flow schedules ``:SHIFT`` behind it.

        Raises:
            SolvergenError: it is none, it is longer than a run of so many evaluations, or a level
                is beyond the schedule's.
        """
        if sum(one is not None for one in (timesteps, sigmas, grid)) > 1:
            raise SolvergenError(
                "got more than one of timesteps, sigmas and grid; expected one of them"
            )
        values = ScheduleValues(named.get(schedule) if isinstance(schedule, str) else schedule)
        if grid is not None:
            return _of_client(values, grid, evaluations)
        if timesteps is not None:
            found = cls("given", _falling("timesteps", timesteps, "times"))
        elif sigmas is not None:
            levels = _falling("sigmas", sigmas, "noise levels")
            found = cls("given", _times(values, np.array(levels)))
        else:
            return None
        if len(found.times) - 1 > evaluations:
            raise SolvergenError(
                f"got a grid of {len(found.times) - 1} steps, each of which calls the model, for "
                f"{evaluations} evaluations; expected evaluations={len(found.times) - 1} or more"
            )
        return found

    def asked(self, evaluations: int) -> tuple[float, float, int]:
        """Start, end, and evaluations: a client's own grid may have a step more than it was asked
        for, and the network is called as often.
        """
        return self.times[0], self.times[-1], max(evaluations, len(self.times) - 1)


def begun(
    setting: Setting, methods: Sequence[Method], evaluations: int, given: Imposed | None
) -> list[tuple[Candidate, Propagator]]:
    """What a search begins with: methods on the grids of a search, or on the one imposed."""
    if given is None:
        return list(tables(setting, candidates(setting, methods, evaluations)))
    known = [Candidate(one, given.times, given.name) for one in methods if exists(setting, one)]
    found = tables(setting, known)
    return [(one, run) for one, run in found if run.evaluations <= evaluations]


def _falling(what: str, given: ArrayLike, kind: str) -> Times:
    """Two numbers or more, each below the one before.

    Raises:
        SolvergenError: they are none.
    """
    found = column(what, given)
    if found.ndim != 1 or found.size < 2 or not (np.diff(found) < 0).all():
        raise SolvergenError(f"got {what}={shown(found)}; expected 2 or more decreasing {kind}")
    return tuple(found.tolist())


def _of_client(values: ScheduleValues, grid: str, evaluations: int) -> Imposed:
    """The grid of a client for a number of steps.

    A level 0 below the schedule's last one goes: a run ends where the schedule does.

    Raises:
        SolvergenError: there is no such client or grid, or it does not fit.
    """
    client, _, rest = grid.partition(":")
    name, _, shift = rest.partition(":")
    is_flow = values.schedule.is_straight
    kind = "flow" if is_flow else "eps"
    known = client_grids.BOTH if client == "comfyui" else client_grids.DIFFUSERS[kind]
    if client not in CLIENTS or name not in known:
        every = [f"comfyui:{one}" for one in client_grids.BOTH]
        every += [f"diffusers:{one}" for one in client_grids.DIFFUSERS[kind]]
        raise SolvergenError(
            f"unknown grid {shown(grid)}; expected one of {', '.join(every)}."
            f"{meant(f'{client}:{name}', every)}"
        )
    levels = Levels.flow(_shift(grid, shift)) if is_flow else _table(values, grid, shift)
    found = client_grids.grid(levels, name, evaluations)
    last = _level(values, values.ends[0])
    kept = found[:-1] if last > 0 and found[-2] > last * (1 - ROUNDED) else found
    if kept.size < 2:
        raise SolvergenError(
            f"{grid} has one level above the end of {values.schedule.name} at {evaluations} "
            "evaluations; expected more evaluations"
        )
    return Imposed(f"{client}:{rest}", _times(values, kept))


def _shift(grid: str, text: str) -> float:
    try:
        found = float(text or 3)
    except ValueError:
        found = -1
    if not 0 < found < np.inf:
        raise SolvergenError(
            f"got the grid {shown(grid)}; expected a positive shift behind its name, such as "
            "comfyui:simple:1.15"
        )
    return found


def _table(values: ScheduleValues, grid: str, shift: str) -> Levels:
    """The levels of a network: those of Stable Diffusion."""
    if shift:
        raise SolvergenError(
            f"got the grid {shown(grid)} for {values.schedule.name}; expected no shift, which "
            "belongs to flow schedules (alpha + sigma = 1)"
        )
    return Levels.eps()


def _times(values: ScheduleValues, levels: Floats) -> Times:
    """The times at which a schedule has these levels.

    Raises:
        SolvergenError: one is beyond those of the schedule, or two are too close.
    """
    low, high = (_level(values, end) for end in values.ends)
    outside = ~((levels >= low * (1 - ROUNDED)) & (levels <= high * (1 + ROUNDED)))
    if outside.any():
        place = int(np.argmax(outside))
        what = "sigma" if values.schedule.is_straight else "sigma/alpha"
        raise SolvergenError(
            f"the noise level {levels[place]:g} at place {place} is none of the schedule "
            f"{values.schedule.name}; expected {what} from {high:g} to {low:g}: leave it out, or "
            "say a schedule whose domain has it"
        )
    flow = values.schedule.is_straight
    wanted = levels if flow else levels / (1 + levels)
    found = FRACTION.times_at(values, wanted, values.ends[1], values.ends[0])
    found = np.where(levels >= high, values.ends[1], np.where(levels <= low, values.ends[0], found))
    if not (np.diff(found) < 0).all():
        raise SolvergenError(
            f"two of the noise levels {shown(levels)} are at one time of {values.schedule.name}; "
            "expected levels that are further apart"
        )
    return tuple(found.tolist())


def _level(values: ScheduleValues, time: float) -> float:
    """What clients call the noise level at a time."""
    _, alpha, sigma, *_ = values.at(np.array([time]))
    with np.errstate(all="ignore"):
        return float((sigma / (1 if values.schedule.is_straight else alpha))[0])
