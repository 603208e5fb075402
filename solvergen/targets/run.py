"""What an emitted module evaluates once for a whole run: the code of its ``_Scalars``.

The scalars of all steps are algebra on a few arrays: (A, B) at every time, and over every interval
Phi, M0, gamma(t) - gamma(s) and the means over q of (theta - 1/2)^k. A difference of gamma is that
of its values where it is large beside them, and elsewhere t - s times the ratio of the integrals of
dgamma/dlambda and dt/dlambda (``solvergen.scalars.integrals``). ``templates/common/run.jinja``
lays out what is printed here; the two change together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from sympy import Expr

from solvergen.algebra.numpy_code import tuple_code
from solvergen.scalars.formulas import GAP, MASS, START_OF, Formulas
from solvergen.scalars.intervals import Intervals
from solvergen.symbols import alpha, alpha_dot, s, sigma, t
from solvergen.targets.definitions import kinks_code
from solvergen.targets.formulas import ARRAYS, Spelling
from solvergen.targets.integrals import IntegralPrinter

INDENT = "        "


@dataclass(frozen=True)
class RunCode:
    """The expressions and statements that the template lays out."""

    varying_factor: bool
    factor_kinks: str
    linear_coefficient: str
    moments: int
    uniform_means: str
    reads_powers: bool
    interpolates: bool
    inner_positions: str
    further_intervals: str
    kink_levels: str
    at_times: str
    over_intervals: str


def run_code_of(formulas: Formulas) -> RunCode:
    """Spell what a run evaluates."""
    printer = _RunPrinter(formulas)
    intervals = [one.intervals for one in formulas.all_phases]
    rate = formulas.linear_coefficient
    means = formulas.uniform_means
    inner = [one.inner for one in intervals] if formulas.has_inner else []
    return RunCode(
        varying_factor=formulas.integrating_factor is None,
        factor_kinks=kinks_code(formulas.schedule),
        linear_coefficient="" if rate is None else printer.spelling.at_times(rate),
        moments=formulas.needs.moments,
        uniform_means=tuple_code(map(printer.spelling.code, means)) if means else "",
        reads_powers=formulas.needs.powers,
        interpolates=formulas.needs.interpolation,
        inner_positions=_nested(inner) if inner else "",
        further_intervals=_extra(intervals),
        kink_levels=printer.kink_levels(),
        at_times=_statements(printer.at_times()),
        over_intervals=_statements(printer.over_intervals()),
    )


def _nested(rows: Sequence[Sequence[Fraction]]) -> str:
    shown = [tuple_code([f"{one.numerator} / {one.denominator}" for one in row]) for row in rows]
    return tuple_code(shown)


def _extra(intervals: Sequence[Intervals]) -> str:
    """For every phase its further intervals, each as the columns of its (end, start) in a step."""
    if not any(one.extra for one in intervals):
        return ""
    rows = []
    for one in intervals:
        column = {0: "0", 1: "1"} | {theta: str(k) for k, theta in enumerate(one.inner, start=2)}
        pairs = [f"({column[end]}, {column[start]})" for end, start in one.extra]
        rows.append(tuple_code(pairs))
    return tuple_code(rows)


@dataclass(frozen=True)
class _RunPrinter:
    """Spells for one solver; what nothing reads is not spelled."""

    formulas: Formulas

    @cached_property
    def spelling(self) -> Spelling:
        return Spelling(self.formulas.schedule.parameters)

    @cached_property
    def integrals(self) -> IntegralPrinter:
        return IntegralPrinter(self.formulas.integrals, self.spelling)

    @cached_property
    def level(self) -> str:
        """The name of lambda at all times: gamma is that on a grid without inner times."""
        is_gamma = self.formulas.expansion == "half_log_snr"
        return "gamma" if is_gamma and not self.formulas.has_inner else "level"

    @cached_property
    def has_ratio(self) -> bool:
        """Whether alpha and sigma are both known where lambda is read, which follows from them."""
        return self.level == "level" and set(self.read_coefficients) == {alpha, sigma}

    @property
    def reads_gamma(self) -> bool:
        """Whether gamma is read at inner times too."""
        return self.formulas.integrals.subtracts and self.formulas.has_inner

    @property
    def conversion(self) -> tuple[tuple[str, Expr], ...]:
        """A and B, as far as they are not 0 and 1 for every t."""
        a, b = self.formulas.conversion.forms
        rows = [("self.a", a)] if a != 0 else []
        return tuple(rows + ([("self.b", b)] if b != 1 else []))

    @property
    def read_at_times(self) -> set[Expr]:
        """What A and B are written in."""
        return {symbol for _, form in self.conversion for symbol in form.free_symbols}

    @cached_property
    def read_over_intervals(self) -> set[Expr]:
        """What Phi and M0 are written in."""
        factor, moment = self.formulas.integrating_factor, self.formulas.zeroth_moment
        read: set[Expr] = {t, s} if factor is None else set(factor.free_symbols)
        return read | moment.free_symbols

    @cached_property
    def read_coefficients(self) -> tuple[Expr, ...]:
        """Which of alpha and sigma (A, B), Phi, M0 and gamma at all times read."""
        read = self.read_at_times | self.read_over_intervals
        if self.reads_gamma:
            read |= self.formulas.gamma.free_symbols
        return tuple(one for one in (alpha, sigma) if {one, START_OF[one]} & read)

    def kink_levels(self) -> str:
        """lambda at the kinks in order, computed as for the times; empty if no rate has kinks."""
        if not self.formulas.integrals.kinks:
            return ""
        times = kinks_code(self.formulas.schedule)
        ratio = f"np.log(alpha({times}) / sigma({times}))"
        return f"np.sort({ratio if self.has_ratio else f'half_log_snr({times})'})"

    def at_times(self) -> list[str]:
        """The statements for what depends on one time."""
        read, code = self.read_at_times, self.spelling.code
        fills = not all(form.free_symbols & ARRAYS for _, form in self.conversion)
        lines = ["t = self.t"] if read & {t, alpha_dot} or fills else []
        lines += [f"{code(one)} = {one}(self.t)" for one in self.read_coefficients]
        slope = self.formulas.conversion.alpha_dot
        lines += [] if slope is None else [f"alpha_dot = {self.spelling.at_times(slope)}"]
        lines += [f"{name} = {self.spelling.at_times(form)}" for name, form in self.conversion]
        return [*lines, *self._variables()]

    def _variables(self) -> list[str]:
        """The statements for gamma and lambda, as far as their values at all times are read."""
        lines, gamma = [], self.formulas.gamma
        if self.reads_gamma:
            is_known = gamma.free_symbols <= set(self.read_coefficients)
            found = self.spelling.code(gamma) if is_known else "expansion_variable(self.t)"
            lines.append(f"gamma = {found}")
        if self.formulas.integrals.is_needed and self.level == "level":
            ratio = self.has_ratio
            lines.append(
                f"level = {'np.log(alpha_t / sigma_t)' if ratio else 'half_log_snr(self.t)'}"
            )
        return lines

    def over_intervals(self) -> list[str]:
        """The statements for what depends on an interval; ``end`` and ``start`` index its times."""
        read, found = self.read_over_intervals, self.formulas.integrals
        is_exact = found.is_straight and self.formulas.needs.gaps
        lines = []
        if read & {t, s} or self.formulas.reads_length:
            lines.append("t, s = self.t[end], self.t[start]")
        for one, first in START_OF.items():
            names = {one: "end", first: "start"}
            used = [symbol for symbol in (first, one) if symbol in read]
            lines += [
                f"{self.spelling.code(symbol)} = {self.spelling.code(one)}[{names[symbol]}]"
                for symbol in used
            ]
        lines += self._measurement()
        lines += [f"self.gap = {self.integrals.length}"] if is_exact else []
        lines += self._propagators()
        if found.is_uniform and self.formulas.needs.end_density:
            lines.append("self.density = np.ones(end.size)")
        return lines

    def _propagators(self) -> list[str]:
        """The statements for Phi, if it is not 1, and M0."""
        factor, moment = self.formulas.integrating_factor, self.formulas.zeroth_moment
        lines = []
        if factor is None:
            lines.append("self.phi = integrating_factor(t, s)")
        elif factor != 1:
            lines.append(f"self.phi = {self.spelling.code(factor)}")
        if moment == GAP:
            return [*lines, "self.m = self.gap"]
        if not moment.has(MASS):
            return [*lines, f"self.m = {self.spelling.code(moment)}"]
        scale, _ = moment.as_independent(MASS, as_Add=False)
        mass = f"scale * {self._mass}"
        code = f"({self.spelling.code(scale)})" if scale.is_Add else self.spelling.code(scale)
        return [*lines, f"self.m = {mass if scale == 1 else f'{code} * {mass}'}"]

    @property
    def _mass(self) -> str:
        """What int q' over an interval is called; the zeroth moment is that."""
        return "moments[0]" if self.formulas.integrals.moments else "mass"

    def _measurement(self) -> list[str]:
        """The statements for what is integrated."""
        found, names = self.formulas.integrals, self.integrals
        lines = []
        if found.rows:
            lines.append(f"last, first = {self.level}[end], {self.level}[start]")
            function = "_over_kinks" if found.kinks else "_integrals"
            lines.append(f"{names.unpacked} = {function}(last, first)")
        length = f"({names.length})" if names.length == "t - s" else names.length
        if found.is_scaled:
            measure = names.result("length" if found.is_timed else "width")
            lines.append(f"scale = {length} / {measure}")
        if found.gap:
            width = names.result("width")
            gap = "scale" if width == "1" else f"scale * {width}"
            shown = f"_difference(gamma[end], gamma[start], {gap})" if found.subtracts else gap
            lines.append(f"self.gap = {shown}")
        if found.moments:
            lines.append("self.mean = moments / moments[0]")
        if found.end_density:
            gap = length if found.is_straight else "self.gap"
            lines.append(f"self.density = _density(last) * {gap} / (scale * {self._mass})")
        return lines


def _statements(lines: list[str]) -> str:
    return f"\n{INDENT}".join(lines)
