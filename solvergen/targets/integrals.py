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

from solvergen.algebra.numpy_code import column_names, items_code, shared
from solvergen.algebra.tables import Slope
from solvergen.program.program import PhaseProgram
from solvergen.scalars.quadrature import PANEL, choose
from solvergen.scalars.rates import Rates
from solvergen.specification.solver import Solver
from solvergen.symbols import half_log_snr_symbol, t
from solvergen.targets.definitions import kinks_code
from solvergen.targets.formulas import Formulas
from solvergen.targets.weights import Needs


@dataclass(frozen=True)
class IntegralCode:
    """The expressions and statements that the template lays out."""

    rates: str
    rate_names: str
    rate_symbols: str
    rates_need_time: bool
    rates_look_up: bool
    panel_text: str
    measured: str
    integrals: str
    integrated: frozenset[str]
    even: bool
    joins: bool
    joined_rows: str
    joined: str
    row_views: str
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
        rate_names=items_code(found.rate_names),
        rate_symbols=_listed([found.symbols[name] for name in found.rate_names]),
        rates_need_time=any(one.has(t) for one in found.rate_forms),
        rates_look_up=any(one.has(FIRST_NODE) for one in found.rate_forms),
        panel_text=PANELS + (THETA if "mean" in found.measures else "."),
        measured=_sentence(f"The {found.kind} over lambda of {{}}.", found.integrands()),
        integrals=found.integrals(),
        integrated=frozenset(found.measures if found.rows else ()),
        even=found.is_even,
        joins=found.joins,
        joined_rows=found.joined_rows(),
        joined=found.joined(),
        row_views=found.row_views if "mean" in found.measures else "rows",
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


PANELS = "Panels begin at ``lower``"
THETA = "; theta runs from 0 to 1 on each."
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
        forms = [
            one.evalf() if one.is_number else self.formulas.collected(one)
            for one in self.rate_forms
        ]
        found, left = shared(forms)
        lines = [f"{symbol} = {self.formulas.code(form)}" for symbol, form in found]
        returned = items_code(map(self._rate, left, forms))
        return "\n    ".join([*lines, f"return {returned}"])

    def _rate(self, shown: Expr, form: Expr) -> str:
        code = self.formulas.code(shown)
        return code if form.has(half_log_snr_symbol, t) else f"np.full_like(l, {code})"

    @property
    def joins(self) -> bool:
        """Whether the parts of an interval differ in more than what is added up."""
        return "mean" in self.measures or self.solver.ode.factor is None

    @property
    def kind(self) -> str:
        """What is computed: means where all parts of an interval are of one length."""
        return "integrals" if self.is_rough else "means"

    @cached_property
    def rows(self) -> tuple[str, ...]:
        """What is integrated, by the names of the results; the means of a constant are not."""
        found = set(self.measures)
        has_means = "mean" in found
        wanted = {
            self.unit: self.is_timed and self._is_integrated(f"{self.unit}_speed"),
            "width": (self.reads_width or has_means) and self._is_integrated("speed"),
            "moments": has_means,
            "mass": "mass" in found and not has_means,
        }
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    def _is_integrated(self, rate: str) -> bool:
        return self.is_rough or rate in self.rate_names

    @property
    def measure(self) -> str:
        """The row that the length of an interval is measured by."""
        return self.unit if self.is_timed else "width"

    @property
    def reads_width(self) -> bool:
        """Whether the width of an interval is read, and does not only serve to join its parts."""
        return "gap" in self.measures or (self.is_scaled and not self.is_timed)

    @property
    def unpacked(self) -> str:
        """What the rows are assigned to: _ is a width that only serves to join parts."""
        names = {} if self.reads_width else {"width": "_"}
        return items_code(names.get(one, one) for one in self.rows)

    def result(self, row: str) -> str:
        """The name of a result, or the constant that it is."""
        if row in self.rows:
            return row
        constant = self.formulas.code(self.forms[self._rate_of(row)])
        return constant if constant == "1" else f"({constant})"

    def integrands(self) -> list[str]:
        """What ``_on_panels`` integrates, in the order of its rows."""
        clock, speed, length = self.symbols.values()
        moments = f"{clock} (theta - 1/2)^k"
        shown = {self.unit: length, "width": speed, "moments": moments, "mass": clock}
        return [shown[name] for name in self.rows]

    def integrals(self) -> str:
        """What ``_on_panels`` returns."""
        moments = "_MOMENTS @ clock" if self.is_even else "moments"
        whole = moments if self.is_even else "np.array(moments)"
        shown = {"moments": f"*({moments})" if self.is_rough else whole}
        if "mean" in self.measures and not self.is_even:
            shown["width"] = "part"
        items = [shown.get(name) or self._total(name) for name in self.rows]
        if self.is_rough:
            return f"np.array([{', '.join(items)}]) * np.maximum(width, 1e-200)"
        return items_code(items)

    def _total(self, row: str) -> str:
        """The mean of a rate over each panel."""
        rate = self._rate_of(row)
        if rate in self.rate_names:
            return f"_GAUSS @ {rate}"
        return f"np.full_like(width, {self.formulas.code(self.forms[rate])})"

    def _rate_of(self, row: str) -> str:
        return {"width": "speed", "mass": "clock"}.get(row, f"{self.unit}_speed")

    def joined_rows(self) -> str:
        """The statement that names the rows of parts that are joined."""
        names = [{"width": "part", "mass": "moments"}.get(name, name) for name in self.rows]
        return f"{items_code(names)} = {self.row_views if self.is_rough else 'rows'}"

    @property
    def row_views(self) -> str:
        """The rows of one array as a tuple, in which all moments are one."""
        left = [f"rows[{k}]" for k in range(len(self.rows) - 1)]
        return items_code([*left, f"rows[{len(left)}:]"])

    def joined(self) -> str:
        """What is returned for each row."""
        has_means = "mean" in self.measures
        mass = "moments[0]" if self.is_rough else "moments"
        added = "np.add.reduceat({}, begin)"
        shown = {
            self.unit: added.format(self.unit),
            "width": "width" if has_means else added.format("part"),
            "moments": "*sums" if self.is_rough else "np.array(sums)",
            "mass": added.format(mass),
        }
        items = [shown[name] for name in self.rows]
        if self.is_rough:
            return f"np.array([{', '.join(items)}])"
        return items_code(f"{one} / count" for one in items)

    def end_density(self) -> str:
        """Statements that return dq/dgamma where lambda is l; empty if nothing reads it."""
        if not self.has_end_density:
            return ""
        names = items_code(one if one in ("clock", "speed") else "_" for one in self.rate_names)
        constant = f"({self.formulas.code(self.forms['speed'])})"
        speed = "speed" if "speed" in self.rate_names else constant
        return f"{names} = _rates(l[None])\n    return (clock / {speed})[0]"

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
