"""What an emitted module evaluates once for a whole run: the code of its ``_Scalars``.

The scalars of all steps are algebra on a few arrays: (A, B) at every time, and over every interval
Phi, M0, gamma(t) - gamma(s) and the means over q of (theta - 1/2)^k. A difference of gamma is that of its
values where it is large beside them, and elsewhere t - s times the ratio of the integrals of
dgamma/dlambda and dt/dlambda. ``templates/common/run.jinja``
lays out what is printed here; the two change together.
"""

import textwrap
from dataclasses import dataclass
from functools import cached_property

from sympy import Expr, Integer, Rational, Symbol, log

from solvergen.backends.definitions import kinks_code
from solvergen.backends.formulas import Formulas, conversion_forms
from solvergen.backends.host import tuple_code
from solvergen.backends.places import Places
from solvergen.backends.weights import Needs
from solvergen.parameterization import at_schedule
from solvergen.printing import column_names, shared
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
from solvergen.tables import Slope

INDENT = "        "


@dataclass(frozen=True)
class RunCode:
    """The expressions and statements that the template lays out."""

    rates: str
    rate_names: str
    rate_symbols: str
    rates_need_time: bool
    rates_look_up: bool
    varying_factor: bool
    linear_coefficient: str
    panel_names: str
    panel_text: str
    measured: str
    integrals: str
    integrated: frozenset[str]
    even: bool
    joined_rows: str
    joined: str
    moments: int
    uniform_means: str
    functions: frozenset[str]
    end_density: str
    inner_positions: str
    further_intervals: str
    subtracts: bool
    reads_gamma: bool
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
        rate_names=", ".join(printer.rate_names) + ("," if len(printer.rate_names) == 1 else ""),
        rate_symbols=_listed([RATES[name] for name in printer.rate_names]),
        rates_need_time=any(one.has(t) for one in printer.rate_forms),
        rates_look_up=any(one.has(MIDDLE) for one in printer.rate_forms),
        varying_factor=solver.ode.factor is None,
        linear_coefficient=printer.linear_coefficient(),
        panel_names=", ".join(printer.panel_names),
        panel_text=_sentence("Returns them, and {}.", [PANELS[one] for one in printer.panel_names]),
        measured=_sentence("The integrals over lambda of {}.", printer.integrands()),
        integrals=printer.integrals(),
        integrated=frozenset(printer.measures),
        even=printer.is_even,
        joined_rows=printer.joined_rows(),
        joined=printer.joined(),
        moments=printer.needs.moments,
        uniform_means=printer.uniform_means(),
        functions=printer.needs.functions,
        end_density=printer.end_density(),
        inner_positions=_nested([one.inner for one in places])
        if any(one.inner for one in places)
        else "",
        further_intervals=_extra(places),
        subtracts=printer.subtracts,
        reads_gamma=printer.reads_gamma,
        at_times=printer.at_times(),
        over_intervals=printer.over_intervals(),
        quadrature_points=choose(solver.weights).points if printer.measures else 0,
        panel=PANEL,
        tail=printer.tail(),
        kinks=kinks_code(solver.schedule) if printer.is_rough else "",
    )


RATES = {"clock": "dq/dlambda", "speed": "dgamma/dlambda", "time_speed": "dt/dlambda"}
PANELS = {
    "owner": "the interval of each panel",
    "number": "its number there",
    "count": "how many an interval has",
    "begin": "the first panel of each interval",
}
MIDDLE = Symbol("middle", real=True)
DOCSTRING_WIDTH = 96


def _sentence(text: str, parts: list[str]) -> str:
    return "\n    ".join(textwrap.wrap(text.format(_listed(parts)), DOCSTRING_WIDTH - 4))


def _listed(names: list[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _on_panel(rate: Expr) -> Expr:
    """A rate at the nodes of a panel, all of which are on one segment of a table."""
    found = [one for one in rate.atoms(Slope) if one.has(half_log_snr_symbol)]
    return rate.xreplace({one: one.xreplace({half_log_snr_symbol: MIDDLE}) for one in found})


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

    @cached_property
    def is_straight(self) -> bool:
        """Whether gamma is linear in the time, or in u of a table, whose differences are exact."""
        if self.solver.weights.expansion.variable == t:
            return True
        return bool(self.needs.gaps) and self._rates.expansion == self._rates.time

    @property
    def is_uniform(self) -> bool:
        """Whether gamma is the clock, whose moments are constants."""
        return self.solver.weights.same_clock

    @cached_property
    def _rates(self) -> Rates:
        return Rates.derive(self.solver.weights)

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
    def is_rough(self) -> bool:
        """Whether the rates have kinks."""
        return bool(self.measures) and self._rates.is_rough(self.solver.schedule)

    @property
    def is_even(self) -> bool:
        """Whether theta is linear in lambda."""
        return bool(self.measures) and self._rates.is_even

    @property
    def subtracts(self) -> bool:
        """Whether the values of gamma have digits enough for its differences in long steps.

        Functions of alpha and sigma have, all of theirs; a logarithm loses them near 0.
        """
        return "gap" in self.measures and not self.solver.weights.expansion.variable.has(log)

    @property
    def reads_gamma(self) -> bool:
        """Whether gamma is read at all times."""
        is_level = self.solver.weights.expansion.name == "half_log_snr"
        return self.subtracts or (is_level and bool(self.measures))

    @property
    def is_scaled(self) -> bool:
        """Whether anything but means is integrated, so that the length of an interval counts."""
        return bool({"gap", "mass"} & set(self.measures))

    @property
    def is_timed(self) -> bool:
        """Whether dt/dlambda is integrated beside dgamma/dlambda."""
        return self.is_scaled and not (self.is_straight and "mean" in self.measures)

    @cached_property
    def forms(self) -> dict[str, Expr]:
        """The rates that are integrated."""
        rates, found = self._rates, set(self.measures)
        wanted = {
            "clock": (bool(found & {"mass", "mean"}), rates.clock),
            "speed": (bool(found & {"gap", "mean"}) or self.has_end_density, rates.expansion),
            "time_speed": (self.is_timed, rates.time),
        }
        return {name: _on_panel(form) for name, (is_wanted, form) in wanted.items() if is_wanted}

    @property
    def rate_names(self) -> tuple[str, ...]:
        """Those of them that vary."""
        varying = {half_log_snr_symbol, t}
        return tuple(
            name
            for name, form in (self.forms.items() if self.measures else ())
            if name == "clock" or form.free_symbols & varying
        )

    def integrands(self) -> list[str]:
        """What ``_integrals`` integrates, in the order of its rows."""
        shown = {"time": RATES["time_speed"], "width": RATES["speed"], "mass": RATES["clock"]}
        shown["sums"] = f"{RATES['clock']} (theta - 1/2)^k"
        return [shown[name] for name in self.rows]

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows of the integrals."""
        found = set(self.measures)
        joins = "mean" in found and self.is_rough
        wanted = {
            "time": self.is_timed,
            "width": "gap" in found or joins or (self.is_scaled and not self.is_timed),
            "sums": "mean" in found,
            "mass": found >= {"mass"} and "mean" not in found,
        }
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    @property
    def read_rows(self) -> tuple[str, ...]:
        """Those that are read in the end: a width may only serve to join pieces."""
        reads_width = "gap" in self.measures or (self.is_scaled and not self.is_timed)
        return tuple(name for name in self.rows if name != "width" or reads_width)

    def integrals(self) -> str:
        """What ``_integrals`` returns."""
        shown = {name: name for name in self.rows}
        if self.is_even and "width" in shown:
            shown["width"] = self._total("speed")
        if self.is_timed:
            shown["time"] = self._total("time_speed")
        if "mass" in shown:
            shown["mass"] = self._total("clock")
        if "sums" in shown and self.is_rough:
            shown["sums"] = "*sums"
        return ", ".join(shown.values())

    def _total(self, name: str) -> str:
        """The integral of a rate over the panels of each interval."""
        if name in self.rate_names:
            return f"np.add.reduceat({name} @ _GAUSS, begin)"
        form = self.forms[name]
        return "count" if form == 1 else f"{self.formulas.code(form)} * count"

    @property
    def panel_names(self) -> tuple[str, ...]:
        """What the integrals read of the panels beside their nodes."""
        has_means, varies = "mean" in self.measures, self.solver.ode.factor is None
        counts = "count" in self.integrals()
        wanted = {
            "owner": has_means or varies,
            "number": has_means,
            "count": has_means or self.is_rough or counts,
            "begin": True,
        }
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    def joined_rows(self) -> str:
        """The statement that names the rows of pieces that are joined."""
        names = [{"width": "part"}.get(name, name) for name in self.rows]
        if names and names[-1] in ("sums", "mass"):
            left = [f"rows[{k}]" for k in range(len(names) - 1)]
            values = [*left, f"rows[{len(left)}:]"]
            names[-1] = "moments"
            return f"{', '.join(names)} = {', '.join(values)}"
        return f"{', '.join(names)} = rows"

    def joined(self) -> str:
        """What is returned for each row that is read."""
        has_means = "mean" in self.measures
        shown = {
            "time": "np.add.reduceat(time, begin)",
            "width": "width" if has_means else "np.add.reduceat(part, begin)",
            "sums": "sums",
            "mass": "np.add.reduceat(moments[0], begin)",
        }
        return ", ".join(shown[name] for name in self.read_rows)

    @property
    def has_end_density(self) -> bool:
        """Whether some weights read the density of q at the end of an interval, and it varies."""
        return self.needs.end_density and not self.is_uniform

    @property
    def rate_forms(self) -> tuple[Expr, ...]:
        return tuple(self.forms[name] for name in self.rate_names)

    def rates(self) -> str:
        """Statements that return the rates at l and t; empty if none is needed."""
        if not self.measures:
            return ""
        forms = [one.evalf() if one.is_number else one for one in self.rate_forms]
        found, left = shared(forms)
        lines = [f"{symbol} = {self.formulas.code(form)}" for symbol, form in found]
        returned = ", ".join(map(self._rate, left, forms))
        comma = "," if len(forms) == 1 else ""
        return "\n    ".join([*lines, f"return {returned}{comma}"])

    def _rate(self, shown: Expr, form: Expr) -> str:
        code = self.formulas.code(shown)
        return code if form.has(half_log_snr_symbol, t) else f"np.full_like(l, {code})"

    def end_density(self) -> str:
        """Statements that return dq/dgamma where lambda is l; empty if nothing reads it."""
        if not self.has_end_density:
            return ""
        names = ", ".join(one if one in ("clock", "speed") else "_" for one in self.rate_names)
        speed = "speed" if "speed" in self.rate_names else f"({self.formulas.code(self.forms['speed'])})"
        comma = "," if len(self.rate_names) == 1 else ""
        return f"{names}{comma} = _rates(l[:, None])\n    return (clock / {speed})[:, 0]"

    def tail(self) -> str:
        """Empty unless lambda is infinite at an end of the domain."""
        schedule = self.solver.schedule
        ends = (schedule.limit_at(schedule.half_log_snr, end) for end in schedule.domain)
        if not self.measures or all(end.is_finite for end in ends):
            return ""
        return repr(self._rates.tail(schedule))

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
            mass = f"scale * {'sums[0]' if 'mean' in self.measures else 'mass'}"
            shown = mass if at_time == 1 else f"({self._of_time(at_time)}) * ({mass})"
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
            lines.append(f"self.gap = {self.length}")
        if self.is_uniform and self.needs.moments:
            lines.append("self.mean = np.broadcast_to(_MEANS[:, None], (_MEANS.size, end.size))")
        if self.is_uniform and self.needs.end_density:
            lines.append("self.density = np.ones(end.size)")
        return _statements(lines)

    @property
    def length(self) -> str:
        """t - s, or u(t) - u(s) where that takes its place: exact for near times."""
        is_time = self.solver.weights.expansion.variable == t
        table = None if is_time else self._rates.table
        return "t - s" if table is None else f"_rise(t, s, {', '.join(column_names(table))})"

    def _measurement(self) -> list[str]:
        if not self.measures:
            return []
        is_level = self.solver.weights.expansion.name == "half_log_snr"
        level = "gamma" if is_level else "level"
        names = ", ".join(self.read_rows)
        integrals = "_joined" if self.is_rough else "_integrals"
        lines = [] if is_level else ["level = half_log_snr(self.t)"]
        lines.append(f"last, first = {level}[end], {level}[start]")
        lines.append(f"{names} = {integrals}(last, first)")
        if self.is_scaled:
            length = f"({self.length})" if self.length == "t - s" else self.length
            lines.append(f"scale = {length} / {'time' if self.is_timed else 'width'}")
        if "gap" in self.measures:
            gap = "scale * width"
            shown = f"_difference(gamma[end], gamma[start], {gap})" if self.subtracts else gap
            lines.append(f"self.gap = {shown}")
        if "mean" in self.measures:
            lines.append("self.mean = np.array(sums) / sums[0]")
        if self.has_end_density:
            mass = "sums[0]" if "mean" in self.measures else "mass"
            gap = f"({self.length})" if self.is_straight else "self.gap"
            lines.append(f"self.density = _density(last) * {gap} / (scale * {mass})")
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
