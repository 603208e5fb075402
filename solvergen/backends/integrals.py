"""What an emitted module integrates over lambda: the code of its ``_integrals``.

Over every interval of a run that is dq/dlambda (theta - 1/2)^k, for the means over q, and
dgamma/dlambda beside dt/dlambda, for the difference of gamma. Rates with kinks are integrated from
kink to kink, and the pieces are joined: with the share p of a piece in the interval and its centre
at theta = 1/2 + c, (theta - 1/2) = c + p (theta' - 1/2) turns its moments into those of the whole.
"""

import re
import textwrap
from dataclasses import dataclass
from functools import cached_property

from sympy import Expr, Symbol, log

from solvergen.backends.definitions import kinks_code
from solvergen.backends.formulas import Formulas
from solvergen.backends.weights import Needs
from solvergen.printing import column_names, shared
from solvergen.program import PhaseProgram
from solvergen.quadrature import PANEL, choose
from solvergen.rates import Rates
from solvergen.solver import Solver
from solvergen.symbols import half_log_snr_symbol, t
from solvergen.tables import Slope


@dataclass(frozen=True)
class IntegralCode:
    """The expressions and statements that the template lays out."""

    rates: str
    rate_names: str
    rate_symbols: str
    rates_need_time: bool
    rates_look_up: bool
    panel_names: str
    panel_text: str
    measured: str
    integrals: str
    integrated: frozenset[str]
    even: bool
    joined_rows: str
    joined: str
    subtracts: bool
    end_density: str
    quadrature_points: int
    panel: float
    tail: str
    kinks: str


def integral_code_of(solver: Solver, adaptive: bool) -> IntegralCode:
    """Print the integrals of a run, with what adaptive steps need if they are emitted."""
    found = Integrals(solver, Needs.of(emitted_phases(solver, adaptive)))
    return IntegralCode(
        rates=found.rates(),
        rate_names=", ".join(found.rate_names) + ("," if len(found.rate_names) == 1 else ""),
        rate_symbols=_listed([found.symbols[name] for name in found.rate_names]),
        rates_need_time=any(one.has(t) for one in found.rate_forms),
        rates_look_up=any(one.has(FIRST_NODE) for one in found.rate_forms),
        panel_names=", ".join(found.panel_names),
        panel_text=_sentence("Returns them, and {}.", [PANELS[one] for one in found.panel_names]),
        measured=_sentence("The integrals over lambda of {}.", found.integrands()),
        integrals=found.integrals(),
        integrated=frozenset(found.measures),
        even=found.is_even,
        joined_rows=found.joined_rows(),
        joined=found.joined(),
        subtracts=found.subtracts,
        end_density=found.end_density(),
        quadrature_points=choose(solver.weights).points if found.measures else 0,
        panel=PANEL,
        tail=found.tail(),
        kinks=kinks_code(solver.schedule) if found.is_rough else "",
    )


def emitted_phases(solver: Solver, adaptive: bool) -> tuple[PhaseProgram, ...]:
    """Every phase, those of adaptive steps included if they are emitted."""
    program = solver.program
    return (*program.all_phases, *(program.pairs if adaptive else ()))


PANELS = {
    "owner": "the interval of each panel",
    "number": "its number there",
    "count": "how many an interval has",
    "begin": "the first panel of each interval",
}
FIRST_NODE = Symbol("first", real=True)
DOCSTRING_WIDTH = 96


def _sentence(text: str, parts: list[str]) -> str:
    """The text with the parts listed, on lines that keep what is in parentheses together."""
    whole = re.sub(r"\([^)]*\)", lambda one: one[0].replace(" ", "~"), text.format(_listed(parts)))
    lines = textwrap.wrap(whole, DOCSTRING_WIDTH - 4)
    return "\n    ".join(lines).replace("~", " ")


def _listed(names: list[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _on_panel(rate: Expr) -> Expr:
    """A rate at the nodes of a panel, all of which are on one segment of a table."""
    found = [one for one in rate.atoms(Slope) if one.has(half_log_snr_symbol)]
    return rate.xreplace({one: one.xreplace({half_log_snr_symbol: FIRST_NODE}) for one in found})


@dataclass(frozen=True)
class Integrals:
    """What is integrated for one solver, and how it is printed."""

    solver: Solver
    needs: Needs

    @cached_property
    def formulas(self) -> Formulas:
        return Formulas(self.solver.schedule)

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

    @property
    def is_rough(self) -> bool:
        """Whether the rates have kinks."""
        return bool(self.measures) and self._rates.is_rough(self.solver.schedule)

    @property
    def is_even(self) -> bool:
        """Whether theta is linear in lambda."""
        return bool(self.measures) and self._rates.is_even

    @property
    def is_scaled(self) -> bool:
        """Whether anything but means is integrated, so that the length of an interval counts."""
        return bool({"gap", "mass"} & set(self.measures))

    @property
    def is_timed(self) -> bool:
        """Whether dt/dlambda is integrated beside dgamma/dlambda."""
        return self.is_scaled and not (self.is_straight and "mean" in self.measures)

    @property
    def subtracts(self) -> bool:
        """Whether the values of gamma have digits enough for its differences in long steps.

        Functions of alpha and sigma have, all of theirs; a logarithm loses them near 0.
        """
        return "gap" in self.measures and not self.solver.weights.expansion.variable.has(log)

    @property
    def has_end_density(self) -> bool:
        """Whether some weights read the density of q at the end of an interval, and it varies."""
        return self.needs.end_density and not self.is_uniform

    @property
    def length(self) -> str:
        """t - s, or u(t) - u(s) where that takes its place: exact for near times."""
        is_time = self.solver.weights.expansion.variable == t
        table = None if is_time else self._rates.table
        return "t - s" if table is None else f"_rise(t, s, {', '.join(column_names(table))})"

    @cached_property
    def unit(self) -> str:
        """What the length of an interval is measured in: the time, or the rise of a table."""
        return "time" if not self.measures or self._rates.table is None else "rise"

    @property
    def symbols(self) -> dict[str, str]:
        """The rates in the words of a docstring."""
        table = self._rates.table if self.measures else None
        u = "t" if table is None else column_names(table)[1]
        rates = {"clock": "dq/dlambda", "speed": "dgamma/dlambda"}
        return {**rates, f"{self.unit}_speed": f"d{u}/dlambda"}

    @cached_property
    def forms(self) -> dict[str, Expr]:
        """The rates that are integrated."""
        rates, found = self._rates, set(self.measures)
        wanted = {
            "clock": (bool(found & {"mass", "mean"}), rates.clock),
            "speed": (bool(found & {"gap", "mean"}) or self.has_end_density, rates.expansion),
            f"{self.unit}_speed": (self.is_timed, rates.time),
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

    @property
    def rate_forms(self) -> tuple[Expr, ...]:
        """The formulas of these."""
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

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows of the integrals."""
        found = set(self.measures)
        joins = "mean" in found and self.is_rough
        wanted = {
            self.unit: self.is_timed,
            "width": "gap" in found or joins or (self.is_scaled and not self.is_timed),
            "sums": "mean" in found,
            "mass": "mass" in found and "mean" not in found,
        }
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    @property
    def read_rows(self) -> tuple[str, ...]:
        """Those that are read in the end: a width may only serve to join pieces."""
        reads_width = "gap" in self.measures or (self.is_scaled and not self.is_timed)
        return tuple(name for name in self.rows if name != "width" or reads_width)

    def integrands(self) -> list[str]:
        """What ``_integrals`` integrates, in the order of its rows."""
        clock, speed, length = self.symbols.values()
        sums = f"{clock} (theta - 1/2)^k"
        shown = {self.unit: length, "width": speed, "sums": sums, "mass": clock}
        return [shown[name] for name in self.rows]

    def integrals(self) -> str:
        """What ``_integrals`` returns."""
        shown = {name: name for name in self.rows}
        if self.is_even and "width" in shown:
            shown["width"] = self._total("speed")
        if self.is_timed:
            shown[self.unit] = self._total(f"{self.unit}_speed")
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
            self.unit: f"np.add.reduceat({self.unit}, begin)",
            "width": "width" if has_means else "np.add.reduceat(part, begin)",
            "sums": "sums",
            "mass": "np.add.reduceat(moments[0], begin)",
        }
        return ", ".join(shown[name] for name in self.read_rows)

    def end_density(self) -> str:
        """Statements that return dq/dgamma where lambda is l; empty if nothing reads it."""
        if not self.has_end_density:
            return ""
        names = ", ".join(one if one in ("clock", "speed") else "_" for one in self.rate_names)
        constant = f"({self.formulas.code(self.forms['speed'])})"
        speed = "speed" if "speed" in self.rate_names else constant
        comma = "," if len(self.rate_names) == 1 else ""
        return f"{names}{comma} = _rates(l[:, None])\n    return (clock / {speed})[:, 0]"

    def tail(self) -> str:
        """Empty unless lambda is infinite at an end of the domain."""
        schedule = self.solver.schedule
        ends = (schedule.limit_at(schedule.half_log_snr, end) for end in schedule.domain)
        if not self.measures or all(end.is_finite for end in ends):
            return ""
        return repr(self._rates.tail(schedule))

    @cached_property
    def _rates(self) -> Rates:
        return Rates.derive(self.solver.weights)
