"""A solver's specification: the schedule, the four choices, and what follows from them."""

import copy
import hashlib
import json
import shlex
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cached_property
from typing import Any

from numpy.typing import ArrayLike
from sympy import Expr, Integer

from solvergen.algebra.typesetting import paragraphs
from solvergen.derivation import parameterization
from solvergen.derivation import stochasticity as noise
from solvergen.derivation.expansion import HALF_LOG_SNR, Expansion, resolve
from solvergen.derivation.parameterization import FLOW, NOISE, VELOCITY, Parameterization
from solvergen.derivation.semilinear import SemilinearODE, require_determined
from solvergen.derivation.stochasticity import Stochasticity
from solvergen.derivation.weights import Weights
from solvergen.errors import (
    DerivationError,
    SolvergenError,
    SolvergenWarning,
    explained,
)
from solvergen.methods import limiter as limiting
from solvergen.methods.scheme import Scheme
from solvergen.naming import shown
from solvergen.program import lowering, order, weak_order
from solvergen.program.program import StepProgram
from solvergen.program.series import MODULAR, RATIONALS, Field
from solvergen.program.table import Table
from solvergen.program.tabulation import tabulate
from solvergen.runs import propagator
from solvergen.runs.propagator import Propagator
from solvergen.schedules import named, serialization
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification import endpoints, requirements, schemes
from solvergen.specification.endpoints import EndPoints
from solvergen.symbols import t

CHOICES = ("prediction", "integrand", "expansion", "scheme")
"""What a SPEC says beside the schedule."""
FURTHER = ("limiter", "stochasticity")
"""What it says where that is not usual."""
ON_REQUEST = ("parallel", "per_sample", "hooks")
"""What its modules have, or take, on request alone."""

REMEDY = "expected formulas that sympy can differentiate and evaluate inside the domain"

LONG_PROGRAM = 8
"""Landings from which fractions would take longer than a second."""


@dataclass(frozen=True, init=False)
class Solver:
    """What is compiled.

    Args:
        schedule: a NoiseSchedule, or the name of one.
        prediction: what the network returns: a Parameterization, or its text. Flow is dx/dt in
            the network's time: on a reversed schedule it is rate(-t) in the schedule's.
        integrand: what is expanded, likewise; the prediction by default.
        expansion: the variable gamma that it is expanded in: a name, an expression in t, alpha,
            sigma, or an Expansion.
        scheme: a Scheme, or its text.
        limiter: by how much the weights of old nodes may exceed those of even steps, c of
            ``solvergen.methods.limiter``: a number, True for the default of the scheme, None for
            no bound.
        stochasticity: how much noise is added on the way: 'eta: 1', another text of
            ``solvergen.derivation.stochasticity``, a number for eta, or None.
        parallel: whether modules have ``sample_parallel`` too.
        per_sample: whether modules take a grid for every sample of a batch.
        hooks: whether ``sample`` has ``on_data`` and ``progress`` too.

    Attributes:
        weights: the integrating factor, the zeroth moment and the two clocks.

    Raises:
        SolvergenError: a ScheduleError, DerivationError or SchemeError that says which choice
            does not exist for this schedule.
    """

    schedule: NoiseSchedule
    prediction: Parameterization
    integrand: Parameterization
    expansion: Expansion
    scheme: Scheme
    limiter: Fraction | None
    stochasticity: Stochasticity | None
    parallel: bool
    per_sample: bool
    hooks: bool
    weights: Weights = field(init=False, compare=False)

    def __init__(
        self,
        schedule: NoiseSchedule | str,
        prediction: Parameterization | str = NOISE,
        integrand: Parameterization | str | None = None,
        expansion: Expansion | Expr | str = HALF_LOG_SNR,
        scheme: Scheme | str = "multistep:2",
        limiter: Fraction | float | str | bool | None = True,
        stochasticity: Stochasticity | str | float | None = None,
        parallel: bool = False,
        per_sample: bool = False,
        hooks: bool = False,
    ) -> None:
        self._set("schedule", _read(schedule, NoiseSchedule, named.get))
        said = _read(prediction, Parameterization, parameterization.get)
        self._set("prediction", _in_network_time(said, self.schedule))
        given = self.prediction if integrand is None else integrand
        self._set("integrand", _read(given, Parameterization, parameterization.get))
        self._set("scheme", _read(scheme, Scheme, schemes.get))
        self._set("limiter", limiting.chosen(limiter, self.scheme))
        self._set("stochasticity", noise.get(stochasticity))
        requested = [one is True for one in (parallel, per_sample, hooks)]
        for name, wanted in zip(ON_REQUEST, requested, strict=True):
            self._set(name, wanted)
        requirements.require_requested(self.scheme, self.stochasticity, *requested)
        with explained(f"no solver for {self.schedule}", DerivationError, REMEDY):
            require_determined(self.schedule, self.prediction)
            self._set("expansion", resolve(expansion, self.ode.clock))
            requirements.require_noise(
                self.stochasticity, self.schedule, self.scheme, self.expansion
            )
            self._set("weights", Weights.derive(self.ode, self.expansion))
        if self.scheme.is_reversible:
            requirements.require_reversible(self.weights, self.stochasticity)
        _warn_of_velocity(self.schedule, self.prediction)

    def _set(self, field: str, value: Any) -> None:
        object.__setattr__(self, field, value)

    @property
    def _has_usual_limiter(self) -> bool:
        return self.limiter == limiting.default(self.scheme)

    @property
    def counting_steps(self) -> "Solver":
        """The same for users to whom a step is a call of the network (``schemes.even``)."""
        scheme = schemes.even(self.scheme)
        if scheme == self.scheme:
            return self
        limiter = True if self._has_usual_limiter else self.limiter
        return self._with(scheme=scheme, limiter=limiter)

    def on(self, schedule: NoiseSchedule) -> "Solver":
        """The same for another schedule."""
        return self._with(schedule=schedule)

    def _with(self, **changed: Any) -> "Solver":
        """The same with other choices, derived anew."""
        names = [one.name for one in fields(self) if one.init]
        return Solver(**{name: getattr(self, name) for name in names} | changed)

    @cached_property
    def ode(self) -> SemilinearODE:
        """The semilinear ODE of the integrand."""
        return SemilinearODE.derive(self.schedule, self.integrand, self._in_steps)

    @property
    def _in_steps(self) -> Stochasticity | None:
        """The noise that is added in steps, and not raised before them."""
        chosen = self.stochasticity
        return None if chosen is None or chosen.raises else chosen

    @cached_property
    def program(self) -> StepProgram:
        """What a step computes, in which order."""
        is_noisy, raises = self._in_steps is not None, self.stochasticity != self._in_steps
        infinite = self.weights.reaches_infinity
        return lowering.lower(self.scheme, infinite, self.limiter, is_noisy, raises)

    def whose_modules(self, **wanted: bool) -> "Solver":
        """The same with modules that have or take this of ``ON_REQUEST``, and nothing else."""
        requested = dict.fromkeys(ON_REQUEST, False) | wanted
        requirements.require_requested(self.scheme, self.stochasticity, **requested)
        return self._but(**requested)

    @cached_property
    def unlimited(self) -> "Solver":
        """The same with weights that are not bounded."""
        return self if self.limiter is None else self._but(limiter=None)

    def _but(self, **changed: Any) -> "Solver":
        """The same with other values of what nothing else is derived from."""
        found = object.__new__(Solver)
        for one in fields(self):
            found._set(one.name, changed.get(one.name, getattr(self, one.name)))
        return found

    @cached_property
    def with_one_eta(self) -> "Solver":
        """The same with eta = 1 in every step, where it follows from the step's length."""
        if self.stochasticity is None or not self.stochasticity.varies:
            return self
        return self.with_eta(Integer(1))

    def with_eta(self, value: Expr) -> "Solver":
        """The same with a constant eta."""
        return self._with(stochasticity=Stochasticity("eta", value))

    @cached_property
    def order_report(self) -> order.OrderReport:
        """The order of the main step and of the start-up, from exact power series."""
        clocks = (self.weights.same_clock, self.weights.no_linear_part)
        return order.report(self.program, *clocks, field=self.order_field)

    @cached_property
    def weak_report(self) -> weak_order.WeakReport | None:
        """The weak order of runs with noise, from their moments as power series.

        None without noise, and where all of it is drawn anew in every step: the more steps, the
        further from any equation.
        """
        if self.stochasticity is None or self.stochasticity.kind == "renoise":
            return None
        clocks = (self.weights.same_clock, self.weights.no_linear_part)
        if self.program.raises:
            return weak_order.raised_report(self.program, *clocks)
        return weak_order.weak_report(self.program, *clocks)

    @property
    def order_field(self) -> Field:
        """What the series' coefficients are: rationals, or modulo a prime for long programs."""
        phases = (*self.program.phases, *self.program.closing)
        landings = sum(len(phase.landings) for phase in phases)
        return RATIONALS if landings <= LONG_PROGRAM else MODULAR

    @property
    def order(self) -> int:
        """The order of a whole run, computed by power series (``solvergen.program.order``)."""
        return self.order_report.order

    @cached_property
    def endpoints(self) -> EndPoints:
        """Whether a run may touch the ends of the domain, and the order that it then has."""
        return endpoints.endpoints(self.weights, self.prediction, self.program, self.order)

    @cached_property
    def converts(self) -> tuple[bool, bool]:
        """Whether A differs from 0 and B from 1, with integrand = A x + B prediction."""
        a, b = parameterization.conversion(self.prediction, self.integrand)
        zeros = (parameterization.at_schedule(one, self.schedule) for one in (a, b - 1))
        shifts, scales = (not self.schedule.vanishes(one) for one in zeros)
        return shifts, scales

    @cached_property
    def table(self) -> Table:
        """A run as rows, and the passes that take them."""
        return tabulate(self.program, self.converts)

    def propagator(self, timesteps: ArrayLike) -> Propagator:
        """The matrix of a run: z_i, the input of every evaluation, in x_T and the predictions.

        Args:
            timesteps: a decreasing grid [steps + 1] inside the domain.

        Returns:
            ``times`` [N] of the evaluations and ``landings`` [N + 1, N + 1], in float64; the last
            row is the result, and ``sample`` runs it.

        Raises:
            SolvergenError: the grid is none, factors are infinite on it, or the scheme repeats an
                evaluation to a tolerance.
        """
        if self.stochasticity is not None:
            raise SolvergenError(
                f"the matrix of a run: got the noise {self.stochasticity}, of which it has no "
                "columns; expected a solver without stochasticity"
            )
        return propagator.of(self.weights, self.prediction, self.integrand, self.program, timesteps)

    @cached_property
    def estimate_powers(self) -> tuple[int, ...]:
        """k of each of them, with an error estimate of O(h^k)."""
        clocks = (self.weights.same_clock, self.weights.no_linear_part)
        return tuple(order.estimate_power(one, *clocks) for one in self.program.pairs)

    @property
    def specification(self) -> dict[str, Any]:
        """The inputs as plain text: what an emitted module carries as ``SPEC``."""
        return copy.deepcopy(self._specification)

    @cached_property
    def _specification(self) -> dict[str, Any]:
        bound = "none" if self.limiter is None else str(self.limiter)
        return {
            "schedule": serialization.to_dictionary(self.schedule),
            "prediction": self.prediction.text,
            "integrand": self.integrand.text,
            "expansion": self.expansion.text,
            "scheme": schemes.to_text(self.scheme),
            **({} if self._has_usual_limiter else {"limiter": bound}),
            **({"stochasticity": self.stochasticity.text} if self.stochasticity else {}),
            **{one: "yes" for one in ON_REQUEST if getattr(self, one)},
        }

    @cached_property
    def content_hash(self) -> str:
        """Of everything that determines the emitted code but the target and the version."""
        canonical = json.dumps(self._specification, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def arguments(self) -> str | None:
        """The command line options of ``solvergen compile`` that say the same; None if none do."""
        options = serialization.options(self.schedule)
        if options is None:
            return None
        spec = self._specification
        for key in _said(spec):
            options += [f"--{key}", spec[key]]
        options += [f"--{one.replace('_', '-')}" for one in ON_REQUEST if one in spec]
        return " ".join(map(shlex.quote, options))

    def _repr_html_(self) -> str:
        """For notebooks, which set the formulas."""
        lead = f"{schemes.to_text(self.scheme)} for {self.schedule.name}"
        choices = (
            f"The network predicts {self.prediction.name}, {self.integrand.name} is expanded in "
            f"{self.expansion.name}; {self.order_report}."
        )
        return paragraphs(lead, choices, self.weights.latex, str(self.endpoints))

    def __str__(self) -> str:
        noisy = [] if self.weak_report is None else [f"{self.stochasticity}: {self.weak_report}"]
        return "\n".join(
            (
                str(self.schedule),
                str(self.weights),
                f"{schemes.to_text(self.scheme)}: {self.order_report}",
                *noisy,
                str(self.endpoints),
            )
        )


def _said(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The choices that a specification says."""
    return (*CHOICES, *(one for one in FURTHER if one in spec))


def _read(value: Any, kind: type, get: Callable[[str], Any]) -> Any:
    """A choice that may be given as its text."""
    if isinstance(value, kind):
        return value
    if isinstance(value, str):
        return get(value)
    raise SolvergenError(f"got {shown(value)}; expected a {kind.__name__}, or its text")


def _in_network_time(prediction: Parameterization, schedule: NoiseSchedule) -> Parameterization:
    """dx/dt is -dx/dt of a network whose time runs the other way."""
    return parameterization.rate(-t) if schedule.reversed and prediction == FLOW else prediction


def _warn_of_velocity(schedule: NoiseSchedule, prediction: Parameterization) -> None:
    """Where alpha + sigma = 1, most people who say velocity mean the flow."""
    if prediction == VELOCITY and schedule.is_straight:
        warnings.warn(
            f"the prediction velocity is alpha eps - sigma x0 (Salimans and Ho 2022); networks of "
            f"the schedule {schedule.name}, with alpha + sigma = 1, mostly predict flow, "
            "dx/dt = alpha' x0 + sigma' eps = eps - x0. Say flow if that is what yours does.",
            SolvergenWarning,
            stacklevel=3,
        )


def from_specification(spec: Mapping[str, Any]) -> Solver:
    """The solver that an emitted module's ``SPEC`` describes.

    Raises:
        SolvergenError: a field is missing, of another kind, or does not read.
    """
    serialization.require_fields(
        "SPEC", spec, ("schedule", *CHOICES), (*FURTHER, *ON_REQUEST, "target")
    )
    for name in _said(spec):
        if not isinstance(spec[name], str) or not spec[name].strip():
            raise SolvergenError(f"SPEC: {name} is {shown(spec[name])}; expected text")
    schedule = serialization.from_dictionary(spec["schedule"])
    choices = {name: spec[name] for name in CHOICES}
    further: dict[str, Any] = {"limiter": True}
    further |= {name: spec[name] for name in FURTHER if name in spec}
    for name in ON_REQUEST:
        wanted = spec.get(name, "no")
        if wanted not in ("yes", "no"):
            raise SolvergenError(f"SPEC: {name} is {shown(wanted)}; expected yes or no")
        further[name] = wanted == "yes"
    return Solver(schedule, **choices, **further)
