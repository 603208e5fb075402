"""What an emitted module evaluates once for a whole run: the code of its ``_Scalars``.

The scalars of all steps are algebra on a few arrays: (A, B) at every time, and over every interval
Phi, M0, gamma(t) - gamma(s) and the means over q of (theta - 1/2)^k. ``templates/common/run.jinja``
lays out what is printed here; the two change together.
"""

import textwrap
from dataclasses import dataclass
from functools import cached_property

from sympy import Expr, Integer, Rational

from solvergen.backends.definitions import kinks_code
from solvergen.backends.formulas import Formulas, conversion_forms
from solvergen.backends.host import tuple_code
from solvergen.backends.places import Places
from solvergen.backends.weights import Needs
from solvergen.parameterization import at_schedule
from solvergen.printing import shared
from solvergen.program import PhaseProgram
from solvergen.quadrature import PANEL, choose
from solvergen.rates import Rates
from solvergen.solver import Solver
from solvergen.symbols import (
    alpha,
    alpha_s,
    half_log_snr_symbol,
    s,
    sigma,
    sigma_s,
    t,
)

INDENT = "        "


@dataclass(frozen=True)
class RunCode:
    """The expressions and statements that the template lays out."""

    rates: str
    rate_names: str
    rate_symbols: str
    time_rate: str
    rates_need_time: bool
    varying_factor: bool
    linear_coefficient: str
    panel_names: str
    panel_text: str
    measured: str
    scaled: bool
    integrals: str
    integrated: frozenset[str]
    moments: int
    uniform_means: str
    functions: frozenset[str]
    end_density: bool
    inner_positions: str
    further_intervals: str
    at_times: str
    over_intervals: str
    quadrature_points: int
    panel: float
    tail: str
    kinks: str


def run_code_of(solver: Solver, adaptive: bool) -> RunCode:
    """Print what a run evaluates, with what adaptive steps need if they are emitted."""
    printer = _RunPrinter(solver, adaptive)
    places = [Places(phase) for phase in printer.phases]
    return RunCode(
        rates=printer.rates(),
        rate_names=", ".join(printer.rate_names),
        rate_symbols=_listed([RATES[name] for name in printer.rate_names]),
        time_rate=printer.time_rate,
        rates_need_time=any(one.has(t) for one in printer.rate_forms),
        varying_factor=solver.ode.factor is None,
        linear_coefficient=printer.linear_coefficient(),
        panel_names=", ".join(printer.panel_names),
        panel_text=_sentence([PANELS[name] for name in printer.panel_names]),
        measured=_listed([MEASURES[name] for name in printer.measures]),
        scaled=printer.is_scaled,
        integrals=printer.integrals(),
        integrated=frozenset(printer.measures),
        moments=printer.needs.moments,
        uniform_means=printer.uniform_means(),
        functions=printer.needs.functions,
        end_density=printer.has_end_density,
        inner_positions=_nested([one.inner for one in places])
        if any(one.inner for one in places)
        else "",
        further_intervals=_extra(places),
        at_times=printer.at_times(),
        over_intervals=printer.over_intervals(),
        quadrature_points=choose(solver.weights).points if printer.measures else 0,
        panel=PANEL,
        tail=printer.tail(),
        kinks=kinks_code(solver.schedule),
    )


RATES = {"clock": "dq/dlambda", "speed": "dgamma/dlambda", "time_speed": "dt/dlambda"}
MEASURES = {
    "gap": "gamma(t) - gamma(s)",
    "mass": "q(t) - q(s)",
    "mean": "the means over q of (theta - 1/2)^k",
}

PANELS = {
    "share": "the share of each panel in its interval",
    "owner": "the interval of each panel",
    "number": "its number there",
    "begin": "the first panel of each interval",
}
DOCSTRING_WIDTH = 96


def _sentence(parts: list[str]) -> str:
    text = f"Returns them, and {_listed(parts)}."
    return "\n    ".join(textwrap.wrap(text, DOCSTRING_WIDTH - 4))


def _listed(names: list[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _nested(rows: list[tuple[Rational, ...]]) -> str:
    shown = [tuple_code([f"{one.numerator} / {one.denominator}" for one in row]) for row in rows]
    return tuple_code(shown)


def _extra(places: list[Places]) -> str:
    """For every phase its further intervals, each as the columns of its (end, start) in a step."""
    if not any(one.extra for one in places):
        return ""
    rows = []
    for one in places:
        column = {0: "0", 1: "1"} | {theta: str(k) for k, theta in enumerate(one.inner, start=2)}
        pairs = [f"({column[end]}, {column[start]})" for end, start in one.extra]
        rows.append(tuple_code(pairs))
    return tuple_code(rows)


@dataclass(frozen=True)
class _RunPrinter:
    """Prints for one solver."""

    solver: Solver
    adaptive: bool

    @cached_property
    def formulas(self) -> Formulas:
        return Formulas(self.solver.schedule)

    @property
    def phases(self) -> tuple[PhaseProgram, ...]:
        """Every phase, those of adaptive steps included."""
        program = self.solver.program
        return (*program.all_phases, *(program.pairs if self.adaptive else ()))

    @cached_property
    def needs(self) -> Needs:
        return Needs.of(self.phases)

    def linear_coefficient(self) -> str:
        """a(t), of which Phi is the quadrature where it has no closed form; empty elsewhere."""
        ode = self.solver.ode
        return self.formulas.of_time(ode.linear_coefficient) if ode.factor is None else ""

    @property
    def is_straight(self) -> bool:
        """Whether gamma is the time, whose differences are exact."""
        return self.solver.weights.expansion.name == "time"

    @property
    def is_uniform(self) -> bool:
        """Whether gamma is the clock, whose moments are constants."""
        return self.solver.weights.same_clock

    @cached_property
    def measures(self) -> tuple[str, ...]:
        """What is integrated over lambda."""
        needs, clock = self.needs, self.solver.ode.clock
        wanted = {
            "gap": needs.gaps and not self.is_straight,
            "mass": clock is None or self.has_end_density,
            "mean": needs.moments > 0 and not self.is_uniform,
        }
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    @property
    def rate_names(self) -> tuple[str, ...]:
        """The rates that the integrals need."""
        found = set(self.measures)
        wanted = {
            "clock": bool(found & {"mass", "mean"}),
            "speed": self.reads_speed,
            "time_speed": self.is_scaled and self.time_rate == "time_speed",
        }
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    @property
    def is_scaled(self) -> bool:
        """Whether anything but means is integrated, so that the length of an interval counts."""
        return bool({"gap", "mass"} & set(self.measures))

    @property
    def panel_names(self) -> tuple[str, ...]:
        """What the integrals read of the panels beside their nodes."""
        has_means, varies = "mean" in self.measures, self.solver.ode.factor is None
        wanted = {
            "share": bool(self.solver.schedule.kinks),
            "owner": has_means or varies,
            "number": has_means,
            "begin": True,
        }
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    def integrals(self) -> str:
        """What is returned for each measure."""
        has_means = "mean" in self.measures
        total = "sums[0]" if has_means else "np.add.reduceat(clock @ _GAUSS, begin)"
        shown = {
            "gap": "scale * width",
            "mass": f"scale * {total}",
            "mean": "np.array(sums) / sums[0]",
        }
        return ", ".join(shown[name] for name in self.measures)

    @property
    def time_rate(self) -> str:
        """dt/dlambda, which is dgamma/dlambda if gamma is the time."""
        return "speed" if self.is_straight and self.reads_speed else "time_speed"

    @property
    def reads_speed(self) -> bool:
        """Whether dgamma/dlambda is needed for itself."""
        return bool({"gap", "mean"} & set(self.measures)) or self.has_end_density

    @property
    def has_end_density(self) -> bool:
        """Whether some weights read the density of q at the end of an interval, and it varies."""
        return self.needs.end_density and not self.is_uniform

    @cached_property
    def rate_forms(self) -> tuple[Expr, ...]:
        if not self.measures:
            return ()
        rates = Rates.derive(self.solver.weights)
        forms = {"clock": rates.clock, "speed": rates.expansion, "time_speed": rates.time}
        return tuple(forms[name] for name in self.rate_names)

    def rates(self) -> str:
        """Statements that return the rates at l and t; empty if none is needed."""
        if not self.measures:
            return ""
        forms = [one.evalf() if one.is_number else one for one in self.rate_forms]
        found, left = shared(forms)
        lines = [f"{symbol} = {self.formulas.code(form)}" for symbol, form in found]
        returned = ", ".join(map(self._rate, left, forms))
        return "\n    ".join([*lines, f"return {returned}"])

    def _rate(self, shown: Expr, form: Expr) -> str:
        code = self.formulas.code(shown)
        return code if form.has(half_log_snr_symbol, t) else f"np.full_like(l, {code})"

    def tail(self) -> str:
        """Empty unless lambda is infinite at an end of the domain."""
        schedule = self.solver.schedule
        ends = (schedule.limit_at(schedule.half_log_snr, end) for end in schedule.domain)
        if not self.measures or all(end.is_finite for end in ends):
            return ""
        return repr(Rates.derive(self.solver.weights).tail(schedule))

    def uniform_means(self) -> str:
        """The means of (theta - 1/2)^k if gamma is the clock; empty if they vary."""
        if not (self.is_uniform and self.needs.moments):
            return ""
        means = [Rational(1 - k % 2, (k + 1) * 2**k) for k in range(self.needs.moments)]
        return ", ".join(self.formulas.code(one) for one in means)

    @cached_property
    def conversion(self) -> tuple[tuple[str, Expr, str], ...]:
        """(name, formula, code) of A and B, as far as they are not 0 and 1 for every t."""
        forms = conversion_forms(
            self.solver.prediction, self.solver.integrand, self.solver.schedule
        )
        rows = zip(("self.a", "self.b"), forms, self.solver.converts, strict=True)
        return tuple((name, *form) for name, form, is_wanted in rows if is_wanted)

    @cached_property
    def propagators(self) -> tuple[tuple[str, Expr, str], ...]:
        """(name, formula, code) of Phi, if it is not 1, and M0."""
        ode, code = self.solver.ode, self.formulas.code
        phi, m = ode.general_integrating_factor, ode.general_zeroth_moment
        rows: list[tuple[str, Expr, str]] = []
        if phi is None:
            rows.append(("self.phi", t * s, "integrating_factor(t, s)"))
        elif phi != 1:
            rows.append(("self.phi", phi, code(phi)))
        if m is None:
            factor = Integer(1) if ode.factor is None else ode.factor
            at_time = self.solver.schedule.simplest(at_schedule(factor, self.solver.schedule))
            shown = "mass" if at_time == 1 else f"({self._of_time(at_time)}) * mass"
            rows.append(("self.m", at_time, shown))
        else:
            rows.append(("self.m", m, code(m)))
        return tuple(rows)

    def _of_time(self, expression: Expr) -> str:
        if expression.has(t):
            return self.formulas.of_time(expression)
        return self.formulas.code(expression)

    def at_times(self) -> str:
        """The statements for what depends on one time."""
        read = self._symbols(self.conversion)
        over = self._symbols(self.propagators)
        needed = [one for one in (alpha, sigma) if {one, START_OF[one]} & (read | over)]
        lines = ["t = self.t"] if read - {alpha, sigma} or self._fills(self.conversion) else []
        lines += [f"{self.formulas.code(one)} = {one}(self.t)" for one in needed]
        lines += [f"{name} = {code}" for name, _, code in self.conversion]
        return _statements(lines)

    def over_intervals(self) -> str:
        """The statements for what depends on an interval; ``end`` and ``start`` index its times."""
        read = self._symbols(self.propagators)
        lines = []
        if read & {t, s} or self.is_scaled or (self.is_straight and self.needs.gaps):
            lines.append("t, s = self.t[end], self.t[start]")
        for one, first in START_OF.items():
            names = {one: "end", first: "start"}
            used = [symbol for symbol in (first, one) if symbol in read]
            lines += [
                f"{self.formulas.code(symbol)} = {self.formulas.code(one)}[{names[symbol]}]"
                for symbol in used
            ]
        lines += self._measurement()
        lines += [f"{name} = {code}" for name, _, code in self.propagators]
        if self.is_straight and self.needs.gaps:
            lines.append("self.gap = t - s")
        if self.is_uniform and self.needs.moments:
            lines.append("self.mean = np.broadcast_to(_MEANS[:, None], (_MEANS.size, end.size))")
        if self.is_uniform and self.needs.end_density:
            lines.append("self.density = np.ones(end.size)")
        return _statements(lines)

    def _measurement(self) -> list[str]:
        if not self.measures:
            return []
        names = [name if name == "mass" else f"self.{name}" for name in self.measures]
        ends = "t, s, " if self.is_scaled else ""
        lines = [
            "last, first = (half_log_snr(self.t)[place] for place in (end, start))",
            f"{', '.join(names)} = _integrals({ends}last, first)",
        ]
        if self.has_end_density:
            gap = "(t - s)" if self.is_straight else "self.gap"
            lines.append(f"self.density = _density(last) * {gap} / mass")
        return lines

    @staticmethod
    def _symbols(rows: tuple[tuple[str, Expr, str], ...]) -> set[Expr]:
        return {symbol for _, form, _ in rows for symbol in form.free_symbols} & KNOWN

    @staticmethod
    def _fills(rows: tuple[tuple[str, Expr, str], ...]) -> bool:
        return any("_like(t" in code for _, _, code in rows)


START_OF = {alpha: alpha_s, sigma: sigma_s}
KNOWN = {t, s, alpha, sigma, alpha_s, sigma_s}


def _statements(lines: list[str]) -> str:
    return f"\n{INDENT}".join(lines)
