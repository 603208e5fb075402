"""Spells the function of a phase: the rows of its steps.

Where a run has one phase, its function takes the times of the steps as arrays and computes all; in
a run of several (``targets/step_scalars.py``) each is given what is known of its steps,

    _main(t, s)                     steps from s to t
    _main(s, step, h_1, h_2)        after those of the lengths h_1 and h_2

and goes through what a person would write down: the times of inner evaluations, lengths in gamma,
Phi and M0 of every landing, means of powers of theta, weights, rows. What is constant is a number
in the rows, and what no row reads is not computed. In a step of one landing its scalars need no
index: phi, m, ell_0 are those of the step.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from sympy import Expr, Integer, Symbol

from solvergen.algebra.numpy_code import tuple_code
from solvergen.methods.scheme import Node, Stage, past
from solvergen.program.instructions import Combine, node_of
from solvergen.program.table import conversion, phi, spread, zeroth_moment
from solvergen.scalars.intervals import START
from solvergen.scalars.landings import LandingWeights, moment_symbol, uniform
from solvergen.targets.calls import gamma_names
from solvergen.targets.formulas import INDENT
from solvergen.targets.phase_names import PhaseNames
from solvergen.targets.products import (
    LINE,
    call_code,
    in_parentheses,
    product,
    quotient,
    scaled,
    together,
    unpacked,
)

WRITTEN_OUT = 3
"""Nodes up to which weights are written out; more go through ``_weights``."""
DOCSTRING_WIDTH = 88

Form = Callable[[Combine, list[tuple[Symbol, Node]], list[str]], Iterator[str]]
"""A way to write the weights of two nodes beside the base: statements, and the first without the
second."""


@dataclass(frozen=True)
class PhasePrinter(PhaseNames):
    """Spells the function of one phase.

    Attributes:
        codes: the column behind the time: the kind of each row; empty if that needs no column.
        is_given: whether it is given what is known of whole steps, and computes the rest alone.
        begins: whether it also takes the step before, whose earliest node is at infinity.
        opening: statements by which it does.
    """

    codes: tuple[str, ...] = ()
    is_given: bool = False
    begins: bool = False
    opening: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the function."""
        return f"_{self.phase.table.name}"

    def function(self, arguments: Sequence[str], unpacked: Sequence[str] = ()) -> str:
        """The whole function, with the statements that give what it is given its names."""
        text = f"\n{INDENT}".join([*unpacked, *self.statements])
        return (
            f"def {self.name}({', '.join(arguments)}):\n"
            f'{INDENT}"""{self._docstring()}"""\n{INDENT}{text}'
        )

    @cached_property
    def statements(self) -> tuple[str, ...]:
        """What is computed and returned."""
        return (*self._lines(), self._returned())

    @cached_property
    def reads(self) -> frozenset[str]:
        """The names that occur in that."""
        return frozenset(re.findall(r"\w+", "\n".join(self.statements)))

    def _docstring(self) -> str:
        landings = self.phase.table.program.landings
        shown = [
            str(Stage(one.position, one.support, one.rule, one.base, one.mirrored))
            for one in landings
        ]
        shown[-1] += f"; at first node -{len(self.times) - 2} is at infinity" if self.begins else ""
        text = f"The rows of steps {'; '.join(shown)}."
        if len(text) <= DOCSTRING_WIDTH:
            return text
        lines = f";\n{2 * INDENT}".join(shown)
        return f"The rows of steps\n\n{2 * INDENT}{lines}\n{INDENT}"

    def _lines(self) -> Iterator[str]:
        """The statements before the rows."""
        yield from self.opening
        lengths = [(name, self.calls.gap(*ends)) for name, ends in self.lengths.items()]
        if not self.is_given:
            yield from together(one for one in lengths if one[0].startswith("h"))
        if not self.has_parts:
            yield from together(self._inner_times())
            yield from together(one for one in lengths if one[0].startswith("g"))
        yield from self._conversions()
        for combine in (one for one in self.landings if not self._is_known(one)):
            yield from together(self._factors(combine))
        yield from together(self._ratios())
        yield from together(self._spreads())
        for one in self.phase.weights:
            yield from self._weights(one)

    def _returned(self) -> str:
        rows = []
        for n, (row, factors) in enumerate(
            zip(self.phase.table.rows, self.phase.rows, strict=True)
        ):
            items = [self.time(node_of(row.stage)), *self.codes[n : n + 1]]
            items += map(self.code, factors)
            rows.append([*items, *(["0"] * (self.formulas.table.width - len(items)))])
        if not self.phase.error:
            return call_code("return _rows", rows)
        error = tuple_code(map(self.code, self.phase.error))
        whole = f"{call_code('return _rows', rows)}, {error}"
        if len(rows) == 1 and len(whole) <= LINE:
            return whole
        return f"{call_code('rows = _rows', rows)}\n{INDENT}return rows, {error}"

    def _is_known(self, combine: Combine) -> bool:
        """Whether the scalars of a landing's interval are given."""
        is_step = self.steps_back(combine) is not None
        return self.is_given and (is_step or self.ends(combine) in self.parts)

    # Times and lengths

    def _inner_times(self) -> Iterator[tuple[str, str]]:
        whole = "h" if "h" in self.lengths else in_parentheses(self.calls.gap("t", "s"))
        variable = "half_log_snr" if self.formulas.is_half_log_snr else "expansion_variable"
        for theta, name in self.inner.items():
            share = "" if theta.numerator == 1 else f"{float(theta.numerator)} * "
            part = f"{share}{whole} / {float(theta.denominator)}"
            if self.formulas.is_time:
                yield name, f"s + {part}"
            elif self.formulas.seeks_inner:
                yield name, f"_inner({float(theta.numerator)} / {float(theta.denominator)}, t, s)"
            else:
                yield name, f"time_at_{variable}({variable}(s) + {part})"

    @property
    def reads_level(self) -> bool:
        """Whether gamma at the ends of its step gives the inner times that it is given."""
        return self.has_parts and not (self.formulas.is_time or self.formulas.seeks_inner)

    def inner_time(self, name: str, at: Mapping[str, str], level: str) -> str:
        """An inner time of the first step of a run, from gamma at the times of the grid."""
        theta = next(theta for theta, own in self.inner.items() if own == name)
        if self.formulas.seeks_inner:
            share = f"{float(theta.numerator)} / {float(theta.denominator)}"
            return f"_inner({share}, {at['t']}, {at['s']})"
        share = "" if theta.numerator == 1 else f"{float(theta.numerator)} * "
        part = f"{level}[:1] + {share}({level}[1:2] - {level}[:1]) / {float(theta.denominator)}"
        return part if self.formulas.is_time else f"{gamma_names(self.formulas)[1]}({part})"

    # A and B, Phi and M0

    def _conversions(self) -> Iterator[str]:
        at, program = self.phase.intervals.first_at, self.phase.table.program
        for i in dict.fromkeys(map(at, program.evaluations)):
            if self.is_given and program.position(i) == START:
                continue
            if self.time(node_of(i)) in {start for _, start in self.parts}:
                continue
            pairs = zip(conversion(i), self.formulas.conversion.forms, strict=True)
            given = [symbol for symbol, form in pairs if not form.is_number]
            names = [self.short(one) if one in self.phase.read else "_" for one in given]
            if set(names) - {"_"}:
                yield f"{unpacked(names, len(names))} = _conversion({self.time(node_of(i))})"

    def _factors(self, combine: Combine) -> Iterator[tuple[str, str]]:
        """Phi and M0 of a landing, as far as they are read."""
        factor, moment = phi(combine.stage), zeroth_moment(combine.stage)
        if factor in self.phase.read:
            yield self.short(factor), self.calls.factor(*self.ends(combine))
        if self.calls.reads_mass or moment in self.lengths_of_moments:
            return
        if moment in self.phase.read:
            interval = self.interval(combine) if self.calls.reads_length else ""
            yield self.short(moment), self.calls.moment(*self.ends(combine), interval)

    def _spreads(self) -> Iterator[tuple[str, str]]:
        """nu of every draw."""
        for draw in self.phase.table.program.draws:
            end, start = draw.ends
            if self.is_given and self.is_whole(draw):
                continue
            length = self.distance(start, end) if self.calls.reads_length_in_spread else ""
            ends = self.time(end), self.time(start)
            yield self.short(spread(draw.stage)), self.calls.spread(*ends, length)

    def _ratios(self) -> Iterator[tuple[str, str]]:
        """Phi from one stage to the next."""
        for symbol, ends in self.ratios:
            if self.parts.get(ends, {}).get("phi") != symbol.name:
                yield symbol.name, self.calls.factor(*ends)

    # Means and weights

    def _means(self, combine: Combine) -> Iterator[str]:
        """mu_1, mu_2, .. of a landing's interval, and M0 where that comes with them."""
        calls, stage, ends = self.calls, combine.stage, self.ends(combine)
        names = [self.short(moment_symbol(stage, k)) for k in range(1, self.count(combine))]
        names = names[: calls.means_given]
        moment, given = zeroth_moment(stage), calls.means_given
        reads_mass = calls.reads_mass and moment in self.phase.read
        if self.formulas.integrals.mass and (names or reads_mass or self.reads_dense(combine)):
            names, given = [self.mass(stage), *names], given + 1
        if names:
            interval = self.interval(combine) if self.formulas.exponent is not None else ""
            yield f"{unpacked(names, given)} = {calls.means(*ends, interval)}"
        if reads_mass:
            yield f"{self.short(moment)} = {calls.moment(*ends, names[0])}"

    def _weights(self, one: LandingWeights) -> Iterator[str]:
        """The means of an interval where it is first read, and the weights of a landing."""
        combine, first = one.combine, self.phase.intervals.first
        seen = (each for each in self.phase.weights if first(each.combine) == first(combine))
        is_first = one is next(seen) and first(combine) == combine.stage
        if is_first and not self._is_known(combine):
            yield from self._means(combine)
        if one.density is not None:
            yield f"{self.short(one.density)} = {self._density(combine)}"
        for name, form in one.rows:
            yield f"{self.short(name)} = {self.code(self._known(form))}"
        if one.nodes:
            yield from self._interpolated(one)

    def _density(self, combine: Combine) -> str:
        """The density of q at the end of an interval over its mean."""
        if self.formulas.is_uniform:
            return "1.0"
        arguments = [self.calls.stretched(self.interval(combine))]
        if self.formulas.exponent is None:
            mass = self.mass(self.phase.intervals.first(combine))
            arguments = [*self.ends(combine), *arguments, mass]
        return f"_end_density({', '.join(arguments)})"

    def _known(self, form: Expr) -> Expr:
        """A formula with the moments that are numbers."""
        return uniform(form) if self.formulas.is_uniform else form

    def _interpolated(self, one: LandingWeights) -> Iterator[str]:
        """The weights of a support."""
        combine = one.combine
        powers = range(len(one.nodes))
        first = self.phase.intervals.first(combine)
        own = tuple(moment_symbol(first, k) if k else Integer(1) for k in powers)
        moments = [self.code(self._known(each)) for each in one.moments or own]
        least = self._least(combine)
        if not self.is_written_out(one):
            pairs = self.phase.intervals.distances(combine)
            falls = ", ".join(self.ratio(combine, *pair) for pair in pairs)
            names = ", ".join(self.short(name) for name, _ in one.nodes)
            function = "_weights("
            if least:
                function = f"_limited({tuple_code(least)}, "
            yield f"{names} = {function}{tuple_code(moments)}, {falls})"
            return
        base = next(name for name, j in one.nodes if combine.support[j] == combine.base)
        others = self._others(one)
        if len(others) == 1:
            (name, node), *_ = others
            ratio = self.ratio(combine, combine.base, node)
            weight = quotient(moments[1], ratio)
            if least:
                weight = f"np.maximum({weight}, {least[0]})"
            yield f"{self.short(name)} = {weight}"
        else:
            yield from self._two(one, moments, least)
        if base in self.phase.read:
            rest = " - ".join(["1.0", *(self.short(name) for name, _ in others)])
            yield f"{self.short(base)} = {rest}"

    def is_written_out(self, one: LandingWeights) -> bool:
        """Whether each weight of a support has a formula of its own."""
        bases = (one.combine.support[j] == one.combine.base for _, j in one.nodes)
        return len(one.nodes) <= WRITTEN_OUT and any(bases)

    def lets_go(self, one: LandingWeights) -> bool:
        """Whether the weights of a landing hold where the earliest node is at infinity."""
        if not one.nodes:
            return True
        if not self.is_written_out(one) or one.combine.base == past(len(self.times) - 2):
            return False
        return len(one.nodes) < 3 or self._form(one) != self._anywhere

    def _others(self, one: LandingWeights) -> list[tuple[Symbol, Node]]:
        """The weights of the nodes beside the base, the latest first."""
        found = ((name, one.combine.support[j]) for name, j in one.nodes)
        return [(name, node) for name, node in found if node != one.combine.base]

    def _form(self, one: LandingWeights) -> Form:
        """How the weights of two nodes beside the base are spelled: by where they are."""
        first, last = (self.ratio(one.combine, one.combine.base, n) for _, n in self._others(one))
        if not last.startswith("-"):
            return self._anywhere
        around = self._around if first == "1.0" else self._anywhere
        return self._behind if first.startswith("-") else around

    def _two(self, one: LandingWeights, moments: list[str], least: list[str]) -> Iterator[str]:
        """The weights of two nodes beside the base, and how they are bounded."""
        others = self._others(one)
        first, last = (self.short(name) for name, _ in others)
        *lines, fewer = self._form(one)(one.combine, others, moments[1:])
        yield from lines
        if least:
            yield f"fewer = {fewer}  # ell_1 of two nodes, for the limiter"
            yield from together(zip(("least", "least_of_all"), least, strict=True))
            share = f"(least_of_all - fewer) / ({first} - fewer)"
            yield f"part = np.fmin(np.fmax({share}, 0.0), fewer >= least)"
            yield "fewer = np.maximum((1.0 - part) * fewer, least)"
            yield f"{first}, {last} = fewer + part * {first}, part * {last}"

    def _anywhere(
        self, combine: Combine, others: list[tuple[Symbol, Node]], moments: list[str]
    ) -> Iterator[str]:
        """ell_p = (mu_2 - r_q mu_1)/(r_p (r_p - r_q)), ell_q likewise; ell_p without q at the end.

        The third node is the base, r = 0.
        """
        (p, node_p), (q, node_q) = others
        start, index = combine.base, "" if self.is_single else f"_{combine.stage}"
        ends = {"p": (start, node_p), "q": (start, node_q), "apart": (node_q, node_p)}
        ratios = {name + index: self.ratio(combine, *one) for name, one in ends.items()}
        yield from together((name, ratio) for name, ratio in ratios.items() if ratio != "1.0")
        r_p, r_q, apart = (name if ratio != "1.0" else ratio for name, ratio in ratios.items())
        mu_1, mu_2 = moments
        below_p, below_q = (in_parentheses(product(one, apart)) for one in (r_p, r_q))
        yield f"{self.short(p)} = ({mu_2} - {product(r_q, mu_1)}) / {below_p}"
        yield f"{self.short(q)} = ({product(r_p, mu_1)} - {mu_2}) / {below_q}"
        yield quotient(mu_1, r_p)

    def _around(
        self, combine: Combine, others: list[tuple[Symbol, Node]], moments: list[str]
    ) -> Iterator[str]:
        """The same for r_p = 1, the end, and a node behind the base, in r = -1/r_q.

        ell_p = (mu_1 + r mu_2)/(1 + r), ell_q = r^2 (mu_2 - mu_1)/(1 + r), also for r = 0.
        """
        (first, _), (last, node_q) = others
        r = "r" if self.is_single else f"r_{combine.stage}"
        behind = in_parentheses(self.distance(node_q, combine.base))
        mu_1, mu_2 = moments
        yield f"{r} = {in_parentheses(self.interval(combine))} / {behind}"
        yield f"{self.short(first)} = ({mu_1} + {scaled(r, mu_2)}) / (1.0 + {r})"
        yield f"{self.short(last)} = {r} * {r} * ({mu_2} - {mu_1}) / (1.0 + {r})"
        yield mu_1

    def _behind(
        self, combine: Combine, others: list[tuple[Symbol, Node]], moments: list[str]
    ) -> Iterator[str]:
        """The same for nodes behind the step, in p = 1/r_p, q = 1/r_q and r = r_p/(r_q - r_p).

        ell_p = p (1 + r) (mu_1 - q mu_2), ell_q = q r (p mu_2 - mu_1) with q = p r/(1 + r): sums of
        terms of one sign, which also hold for q = 0, a node at infinity.
        """
        (first, node_p), (last, node_q) = others
        index = "" if self.is_single else f"_{combine.stage}"
        p, q, r = (f"{name}{index}" for name in "pqr")
        near = in_parentheses(self.distance(node_p, combine.base))
        apart = in_parentheses(self.distance(node_q, node_p))
        mu_1, mu_2 = moments
        yield f"{p}, {r} = -{in_parentheses(self.interval(combine))} / {near}, {near} / {apart}"
        yield f"{q} = {p} * {r} / (1.0 + {r})  # the nodes are at 1 / {p} and 1 / {q}"
        yield f"{self.short(first)} = {p} * (1.0 + {r}) * ({mu_1} - {scaled(q, mu_2)})"
        yield f"{self.short(last)} = {q} * {r} * ({scaled(p, mu_2)} - {mu_1})"
        yield scaled(p, mu_1)

    def _least(self, combine: Combine) -> list[str]:
        """(1 - c A_k)/2 for k = 2, .., the least sum of the negative ones of k weights."""
        if combine.bound is None:
            return []
        halves = (limit / combine.bound.factor / 2 for limit in combine.bound.limits)
        return [f"0.5 - {product(_number(half), 'limiter')}" for half in halves]


def _number(half: Fraction) -> str:
    """A fraction as a float if that is short, else as a quotient."""
    return str(float(half)) if half.denominator in (1, 2, 4) else f"{half}".replace("/", " / ")
