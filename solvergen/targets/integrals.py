"""Spells what a module integrates over lambda: the code of its ``_integrals``.

Rates with kinks are integrated from kink to kink, and the pieces are joined: with the share p of a
piece in the interval and its start at theta = c, theta = c + p theta' turns its moments into those
of the whole. Intervals longer than a panel are joined likewise. All these sums are of positive
terms, so that mu_k has its digits where it is small, in steps whose q grows at their start alone.
"""

import re
import textwrap
from dataclasses import dataclass
from math import isfinite

from sympy import Expr

from solvergen.algebra.numpy_code import column_names, items_code
from solvergen.scalars.formulas import Formulas
from solvergen.scalars.integrals import FIRST_NODE, VARYING, Integrals
from solvergen.scalars.logit import SLOPE, TIME_SPEED
from solvergen.symbols import half_log_snr_symbol, t
from solvergen.targets.definitions import kinks_code
from solvergen.targets.formulas import Spelling


@dataclass(frozen=True)
class IntegralCode:
    """The expressions and statements that the template lays out."""

    rates: str
    variable: str
    logit: str
    rate_names: str
    rate_symbols: str
    panel_text: str
    measured: str
    integrals: str
    integrated: bool
    has_means: bool
    moments: int
    kink_levels: str
    varying_factor: bool
    damps: str
    has_mass: bool
    has_variance: bool
    even: bool
    joins: bool
    joined_rows: str
    joined: str
    row_views: str
    end_density: str
    quadrature_points: int
    panel: float
    tail: str
    kinks: str
    cuts: bool


def integral_code_of(formulas: Formulas) -> IntegralCode:
    """Spell the integrals of a run."""
    found = formulas.integrals
    printer = IntegralPrinter(found, Spelling(formulas.schedule.parameters))
    return IntegralCode(
        rates=printer.rates(),
        variable="l" if found.logit is None else "v",
        logit=printer.logit(),
        rate_names=items_code(map(printer.speed_name, found.varying)),
        rate_symbols=_listed([printer.symbols[name] for name in found.varying]),
        panel_text=PANELS + (THETA if found.moments else "."),
        measured=_sentence(
            f"The {printer.kind} over {printer.over} of {{}}.", printer.integrands()
        ),
        integrals=printer.integrals(),
        integrated=bool(found.rows),
        has_means=found.moments,
        moments=formulas.needs.moments,
        kink_levels=_kink_levels(formulas),
        varying_factor=found.is_transported,
        damps=printer.damps(),
        has_mass=found.moments or found.mass,
        has_variance=found.variance,
        even=found.is_even,
        joins=found.joins,
        joined_rows=printer.joined_rows(),
        joined=printer.joined(),
        row_views=printer.row_views if found.moments else "rows",
        end_density=printer.end_density(),
        quadrature_points=found.points,
        panel=found.panel,
        tail="" if found.tail is None else repr(found.tail),
        kinks=_kink_levels(formulas),
        cuts=bool(found.cuts),
    )


def _kink_levels(formulas: Formulas) -> str:
    """lambda at the kinks and cuts in order; empty if there are none."""
    schedule, integrals = formulas.schedule, formulas.integrals
    level = "half_log_snr" if integrals.logit is None else "_logit"
    times = kinks_code(schedule)
    if integrals.logit is not None and times.startswith("["):
        times = f"np.array({times})"
    cuts = f"[{', '.join(map(repr, integrals.cuts))}]" if integrals.cuts else ""
    if not integrals.kinks:
        return f"np.array({cuts})" if cuts else ""
    levels = f"{level}({times})"
    if len(schedule.tables) > 1 or not isfinite(schedule.span):
        levels = f"[l for l in {levels} if np.isfinite(l)]"
        return f"np.unique([*{levels}, *{cuts}])" if cuts else f"np.unique({levels})"
    return f"np.sort([*{levels}, *{cuts}])" if cuts else f"np.sort({levels})"


PANELS = "Panels begin at ``lower``"
THETA = "; theta runs from 0 to 1 on each."
LOOK_UP = "first = l[:1]  # on the same segment of the table as all nodes of its panel"
DOCSTRING_WIDTH = 96
LONG = 80
"""Characters of a formula that is written in parts."""


def _sentence(text: str, parts: list[str]) -> str:
    """The text with the parts listed, on lines that keep what is in parentheses together."""
    whole = re.sub(r"\([^)]*\)", lambda one: one[0].replace(" ", "~"), text.format(_listed(parts)))
    lines = textwrap.wrap(whole, DOCSTRING_WIDTH - 4)
    return "\n    ".join(lines).replace("~", " ")


def _listed(names: list[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


@dataclass(frozen=True)
class IntegralPrinter:
    """Spells the integrals of one solver."""

    found: Integrals
    spelling: Spelling

    @property
    def unit(self) -> str:
        """What the length of an interval is measured in: the time, or the rise of a table."""
        return "time" if self.found.table is None else "rise"

    @property
    def over(self) -> str:
        """What is integrated over."""
        return "lambda" if self.found.logit is None else "v"

    @property
    def length(self) -> str:
        """t - s, or u(t) - u(s): exact for near times."""
        table = self.found.table
        return "t - s" if table is None else f"_rise(t, s, {', '.join(column_names(table))})"

    @property
    def symbols(self) -> dict[str, str]:
        """The rates in the words of a docstring."""
        table = self.found.table
        u = "t" if table is None else column_names(table)[1]
        found = {
            "clock": f"dq/d{self.over}",
            "speed": f"dgamma/d{self.over}",
            "length": f"d{u}/d{self.over}",
            "spread": "2 eta^2 (sigma/R)^2",
            "level": "dlambda/dv",
            "damping": "dK/dlambda" if self.found.logit is None else "-dK/dv",
        }
        return (
            found
            if self.found.logit is None
            else {**found, "spread": "2 eta^2 (sigma/R)^2 dlambda/dv"}
        )

    def form(self, rate: str) -> Expr:
        """A rate that is needed."""
        found: Expr = getattr(self.found, rate)
        return found

    def speed_name(self, rate: str) -> str:
        """What the module calls a rate."""
        return f"{self.unit}_speed" if rate == "length" else rate

    def row_name(self, row: str) -> str:
        """What the module calls an integral."""
        return self.unit if row == "length" else row

    def rates(self) -> str:
        """Statements that return the rates at l and t; empty if none is needed."""
        if not self.found.is_needed:
            return ""
        forms = [self.form(name) for name in self.found.varying]
        parts, left = self.spelling.in_parts(*forms)
        lines = [self._at_logit(*forms)] if self.found.logit is not None else []
        if not lines and any(one.has(t) for one in forms):
            lines = ["t = time_at_half_log_snr(l)"]
        lines += [LOOK_UP] if any(one.has(FIRST_NODE) for one in forms) else []
        returned = items_code(map(self._rate, left, forms))
        return "\n    ".join([*lines, *parts, f"return {returned}"])

    def _rate(self, shown: Expr, form: Expr) -> str:
        code = self.spelling.code(shown)
        return code if form.has(*VARYING) else f"np.full_like(l, {code})"

    def _at_logit(self, *forms: Expr) -> str:
        """The statement that looks up what rates in v are written in."""
        symbols = (half_log_snr_symbol, t, SLOPE, TIME_SPEED)
        names = [
            self.spelling.code(one) if any(form.has(one) for form in forms) else "_"
            for one in symbols
        ]
        ambiguous = "  # noqa: E741" if names[0] == "l" else ""
        return f"{', '.join(names)} = _at_logit(v){ambiguous}"

    def logit(self) -> str:
        """Statements that compute lambda and its slope where v is; empty for rates in lambda."""
        found = self.found.logit
        if found is None:
            return ""
        parts, left = self.spelling.in_parts(*found.level, *found.slope, longest=LONG)
        codes = list(map(self.spelling.code, left))
        lines = [
            f"level = np.where(early, {codes[0]}, {codes[1]})",
            f"slope = np.where(early, {codes[2]}, {codes[3]})",
        ]
        return "\n    ".join([*parts, *lines])

    @property
    def kind(self) -> str:
        """What is computed: means where all parts of an interval are of one length."""
        return "integrals" if self.found.is_cut else "means"

    @property
    def call(self) -> str:
        """The integrals over an interval."""
        return f"{'_over_kinks' if self.found.is_cut else '_integrals'}(last, first)"

    def unpacked(self, read: list[str]) -> str:
        """What the rows are assigned to, where only some of them are read."""
        return items_code(self.row_name(one) if one in read else "_" for one in self.found.rows)

    def in_proportion(self, value: str) -> str:
        """A length that is known, times an integral over that of its rate."""
        length = f"({self.length})" if self.found.table is None else self.length
        if value == "last - first":
            value = "np.maximum(np.abs(last - first), 1e-200)" if self.found.is_cut else "1.0"
        elif value not in ("moments[0]",):
            value = self.result(value)
        text = f"{length} * {value} / {self.result('length')}".replace(" * 1.0", "")
        return text.removesuffix(" / 1")

    def result(self, row: str) -> str:
        """The name of a result, or the constant that it is."""
        if row in self.found.rows:
            return self.row_name(row)
        constant = self.spelling.code(self.form(RATE_OF[row]))
        return constant if constant == "1" else f"({constant})"

    def integrands(self) -> list[str]:
        """What ``_on_panels`` integrates, in the order of its rows."""
        clock, speed, length, variance, level, damping = self.symbols.values()
        if self.found.damped:
            clock, variance = f"{clock} e^-kappa", f"{variance} e^(-2 kappa)"
        moments = f"{clock} theta^k"
        shown = {"length": length, "width": speed, "moments": moments, "mass": clock}
        shown |= {"variance": variance, "level": level, "kappa": damping}
        return [shown[name] for name in self.found.rows]

    def integrals(self) -> str:
        """What ``_on_panels`` returns."""
        is_even, is_rough = self.found.is_even, self.found.is_cut
        moments = "_MOMENTS @ clock" if is_even else "moments"
        whole = moments if is_even else "np.array(moments)"
        shown = {"moments": f"*({moments})" if is_rough else whole}
        if self.found.moments and not is_even:
            shown["width"] = "part"
        items = [shown.get(name) or self._total(name) for name in self.found.rows]
        if is_rough:
            return f"np.array([{', '.join(items)}]) * np.maximum(np.abs(width), 1e-200)"
        return items_code(items)

    def _total(self, row: str) -> str:
        """The mean of a rate over each panel."""
        rate = RATE_OF[row]
        if rate in self.found.varying:
            return f"_GAUSS @ {self.speed_name(rate)}"
        return f"np.full_like(width, {self.spelling.code(self.form(rate))})"

    def damps(self) -> str:
        """Statements by which what is added up over panels falls by e^-kappa to their ends."""
        kept = {"clock": "kept", "spread": "kept**2"}
        return "\n    ".join(
            f"{one} = {one} * {kept[one]}"
            for one in self.found.varying
            if self.found.damped and one in kept
        )

    def joined_rows(self) -> str:
        """The statement that names the rows of parts that are joined."""
        parts = {"width": "part", "mass": "moments"}
        names = [parts.get(name, self.row_name(name)) for name in self.found.rows]
        return f"{items_code(names)} = {self.row_views if self.found.is_cut else 'rows'}"

    @property
    def row_views(self) -> str:
        """The rows of one array as a tuple, in which all moments are one."""
        left = [f"rows[{k}]" for k in range(len(self.found.rows) - 1)]
        return items_code([*left, f"rows[{len(left)}:]"])

    def joined(self) -> str:
        """What is returned for each row."""
        is_rough = self.found.is_cut
        mass = "moments[0]" if is_rough else "moments"
        added = "np.add.reduceat({}, begin)"
        shown = {
            "length": added.format(self.unit),
            "width": "width" if self.found.moments else added.format("part"),
            "moments": "*sums" if is_rough else "np.array(sums)",
            "mass": added.format(mass),
            "variance": added.format("variance"),
            "level": added.format("level"),
            "kappa": added.format("kappa"),
        }
        items = [shown[name] for name in self.found.rows]
        if is_rough:
            return f"np.array([{', '.join(items)}])"
        return items_code(f"{one} / count" for one in items)

    def end_density(self) -> str:
        """Statements that return dq/dgamma where lambda is l; empty if nothing reads it."""
        if not self.found.end_density:
            return ""
        if self.found.logit is not None:
            density = self.form("clock") / self.form("speed")
            return f"{self._at_logit(density)}\n    return {self.spelling.code(density)}"
        names = items_code(one if one in ("clock", "speed") else "_" for one in self.found.varying)
        speed = "speed"
        if "speed" not in self.found.varying:
            speed = f"({self.spelling.code(self.form('speed'))})"
        return f"{names} = _rates(l[None])\n    return (clock / {speed})[0]"


RATE_OF = {
    "length": "length",
    "width": "speed",
    "mass": "clock",
    "variance": "spread",
    "level": "level",
    "kappa": "damping",
}
"""Which rate is integrated for a result."""
