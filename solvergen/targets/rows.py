"""Spells the function of a phase: the rows of its steps from their times alone.

A phase's function takes the times of its steps as arrays, the end first and earlier starts last,

    _main(t, s, s_1, s_2)          a step from s to t, after those that started at s_1 and s_2

and goes through what a person would write down: the times of inner evaluations, lengths in gamma,
Phi and M0 of every landing, means of powers of theta, weights, rows. What is constant is a number
in the rows, and what no row reads is not computed. In a step of one landing its scalars need no
index: phi, m, ell_0 are those of the step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from sympy import Expr, Integer, Symbol

from solvergen.algebra.numpy_code import tuple_code
from solvergen.methods.scheme import Kind, Node, Stage
from solvergen.program.program import Combine, node_of
from solvergen.program.table import conversion, phi, zeroth_moment
from solvergen.scalars.formulas import MASS, Formulas, PhaseFormulas
from solvergen.scalars.intervals import END, START
from solvergen.scalars.landings import LandingWeights, moment_symbol, uniform
from solvergen.scalars.lengths import GAP, H
from solvergen.targets.formulas import INDENT, Spelling
from solvergen.targets.products import in_parentheses, product, quotient, unpacked

WRITTEN_OUT = 3
"""Nodes up to which weights are written out; more go through ``_weights``."""
DOCSTRING_WIDTH = 88


@dataclass(frozen=True)
class PhasePrinter:
    """Spells the function of one phase.

    Attributes:
        formulas: of the module.
        phase: what is spelled.
        codes: the column behind the time: the kind of each row; empty if that needs no column.
    """

    formulas: Formulas
    phase: PhaseFormulas
    codes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the function."""
        return f"_{self.phase.table.name}"

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """t, s, and the starts of earlier steps that are read: s_1, .."""
        read = [
            node.index
            for one in self.phase.weights
            for node in (*(one.combine.support if one.nodes else ()), one.combine.base)
            if node.kind is Kind.PAST
        ]
        return ("t", "s", *(f"s_{k}" for k in range(1, max(read, default=0) + 1)))

    def function(self) -> str:
        """The whole function."""
        text = f"\n{INDENT}".join([*self._lines(), self._returned()])
        return (
            f"def {self.name}({', '.join(self.arguments)}):\n"
            f'{INDENT}"""{self._docstring()}"""\n{INDENT}{text}'
        )

    def _docstring(self) -> str:
        landings = self.phase.table.program.landings
        shown = [str(Stage(one.position, one.support, one.rule, one.base)) for one in landings]
        text = f"The rows of steps {'; '.join(shown)}."
        if len(text) <= DOCSTRING_WIDTH:
            return text
        lines = f";\n{2 * INDENT}".join(shown)
        return f"The rows of steps\n\n{2 * INDENT}{lines}\n{INDENT}"

    def _lines(self) -> Iterator[str]:
        """The statements before the rows."""
        lengths = {name: self._gap(*ends) for name, ends in self._lengths.items()}
        yield from (f"{name} = {gap}" for name, gap in lengths.items() if name.startswith("h"))
        yield from self._inner_times()
        yield from (f"{name} = {gap}" for name, gap in lengths.items() if name.startswith("g"))
        yield from self._conversions()
        for combine in self._landings:
            yield from self._factors(combine)
        yield from self._ratios()
        for one in self.phase.weights:
            yield from self._weights(one)

    def _returned(self) -> str:
        rows = []
        for n, (row, factors) in enumerate(
            zip(self.phase.table.rows, self.phase.rows, strict=True)
        ):
            items = [self._time(node_of(row.stage)), *self.codes[n : n + 1]]
            items += map(self._code, factors)
            while items[-1] in ("0", "0.0"):  # the table is filled with zeros
                items.pop()
            rows.append(tuple_code(items))
        if not self.phase.error:
            return f"return _rows({', '.join(rows)})"
        width = self.formulas.table.pair_shape.width
        error = tuple_code(map(self._code, self.phase.error))
        return f"return _rows({', '.join(rows)}, width={width}), {error}"

    # Names

    @cached_property
    def _spelling(self) -> Spelling:
        return Spelling(self.formulas.schedule.parameters)

    @cached_property
    def _landings(self) -> tuple[Combine, ...]:
        """One for every interval."""
        landings, first = self.phase.table.program.landings, self.phase.intervals.first
        return tuple(one for one in landings if first(one) == one.stage)

    @cached_property
    def _is_single(self) -> bool:
        """Whether the step has one landing beside a correction."""
        return len(self.phase.table.program.combines) == 1

    def _code(self, form: Expr) -> str:
        """A formula in the names of the function."""
        named = {one: Symbol(self._short(one)) for one in form.free_symbols}
        return self._spelling.code(form.xreplace(named))

    def _short(self, symbol: Symbol) -> str:
        """phi_1 as phi where the step has one landing; M0 as the length that it is."""
        name = self._lengths_of_moments.get(symbol, symbol.name)
        if not self._is_single:
            return name
        known = {"phi_1": "phi", "m_1": "m", "a_0": "a", "b_0": "b", "w_1": "w"}
        for whole, short in (("ell_1_", "ell_"), ("mu_1_", "mu_")):
            if name.startswith(whole):
                return short + name.removeprefix(whole)
        return known.get(name, name)

    @cached_property
    def _lengths_of_moments(self) -> dict[Symbol, str]:
        """M0 of the landings for which it is a length that has a name."""
        if self.formulas.zeroth_moment not in (GAP, H):
            return {}
        names = {zeroth_moment(one.stage): self._interval(one) for one in self._landings}
        return {symbol: name for symbol, name in names.items() if name.isidentifier()}

    def _time(self, node: Node) -> str:
        """The name of a node's time."""
        if node.kind is Kind.PAST:
            return f"s_{node.index}"
        theta = self.phase.table.program.position(node.index)
        return {START: "s", END: "t"}.get(theta) or self._inner[theta]

    @cached_property
    def _inner(self) -> dict[Fraction, str]:
        """The names of the times of inner evaluations: u, or u_1, u_2, .."""
        found = self.phase.intervals.inner
        single = len(found) == 1
        return {theta: "u" if single else f"u_{k}" for k, theta in enumerate(found, start=1)}

    def _ends(self, combine: Combine) -> tuple[str, str]:
        """The times at the end and at the start of a landing's interval."""
        return self._time(node_of(combine.stage)), self._time(combine.base)

    # Times and lengths

    def _inner_times(self) -> Iterator[str]:
        whole = "h" if "h" in self._lengths else in_parentheses(self._gap("t", "s"))
        variable = "half_log_snr" if self.formulas.is_half_log_snr else "expansion_variable"
        for theta, name in self._inner.items():
            share = "" if theta.numerator == 1 else f"{float(theta.numerator)} * "
            part = f"{share}{whole} / {float(theta.denominator)}"
            if self.formulas.is_time:
                yield f"{name} = s + {part}"
            else:
                yield f"{name} = time_at_{variable}({variable}(s) + {part})"

    @cached_property
    def _lengths(self) -> dict[str, tuple[str, str]]:
        """(end, start) of the lengths in gamma that are read: h, h_1, .., then those to stages."""
        found: dict[str, tuple[str, str]] = {}
        for pair in self._distances:
            low, high = sorted(pair)
            for k in range(int(min(low, START)), 0):
                found[f"h_{-k}"] = (self.arguments[-k], self.arguments[1 - k])
            for theta in pair:
                if theta in self._inner:
                    found[self._length_to(theta)] = (self._inner[theta], "s")
            if high == END:
                found["h"] = ("t", "s")
        return dict(sorted(found.items(), key=lambda one: (one[0][0] != "h", one[0])))

    @cached_property
    def _distances(self) -> set[tuple[Fraction, Fraction]]:
        """The pairs of places whose distance in gamma is read."""
        pairs: set[tuple[Node, Node]] = set()
        for one in self.phase.weights:
            whole = (one.combine.base, node_of(one.combine.stage))
            if one.nodes and one.reads_gaps:
                pairs |= {whole, *self.phase.intervals.distances(one.combine)}
            if self._reads_interval(one.combine):
                pairs.add(whole)
        theta = self.phase.intervals.theta
        places = {(theta(first), theta(last)) for first, last in pairs}
        return {one for one in places if one[0] != one[1]}

    def _reads_interval(self, combine: Combine) -> bool:
        """Whether the length of a landing's interval is read by its M0 or its means."""
        formulas, moment = self.formulas, self.formulas.zeroth_moment
        reads = zeroth_moment(combine.stage) in self.phase.read and moment.has(GAP)
        if formulas.is_half_log_snr:
            reads |= zeroth_moment(combine.stage) in self.phase.read and moment.has(H)
            reads |= formulas.exponent is not None and self._count(combine) > 1
        return bool(reads)

    def _length_to(self, theta: Fraction) -> str:
        """The name of gamma from s to an inner time: g, or g_1, .."""
        return "g" + self._inner[theta].removeprefix("u")

    def _gap(self, end: str, start: str) -> str:
        """gamma at one time minus gamma at another one."""
        if self.formulas.is_time:
            return f"{end} - {start}"
        return f"{'_length' if self.formulas.is_half_log_snr else '_gap'}({end}, {start})"

    def _distance(self, first: Node, last: Node) -> str:
        """gamma at ``last`` minus gamma at ``first`` as a sum of lengths, all of one sign."""
        low, high = map(self.phase.intervals.theta, (first, last))
        if low > high:
            return f"-{in_parentheses(self._distance(last, first))}"
        if low in self._inner:
            return f"{'h' if high == END else self._length_to(high)} - {self._length_to(low)}"
        terms = [f"h_{-k}" for k in range(int(low), 0) if k < high][::-1]
        if high in self._inner:
            terms.insert(0, self._length_to(high))
        return " + ".join([*(["h"] if high == END else []), *terms])

    def _interval(self, combine: Combine) -> str:
        """The length of a landing's interval."""
        return self._distance(combine.base, node_of(combine.stage))

    def _ratio(self, combine: Combine, start: Node, end: Node) -> str:
        """The distance of two nodes over that of a landing from its base."""
        known = self.phase.intervals.ratio(combine, start, end)
        if known is not None:
            return str(float(known))
        distance, whole = self._distance(start, end), in_parentheses(self._interval(combine))
        return f"{distance if distance.startswith('-') else in_parentheses(distance)} / {whole}"

    # A and B, Phi and M0

    def _conversions(self) -> Iterator[str]:
        is_constant = (Integer(0), Integer(1))
        at = self.phase.intervals.first_at
        for i in dict.fromkeys(map(at, self.phase.table.program.evaluations)):
            pairs = zip(conversion(i), self.formulas.conversion.forms, is_constant, strict=True)
            given = [symbol for symbol, form, constant in pairs if form != constant]
            names = [self._short(one) if one in self.phase.read else "_" for one in given]
            if set(names) - {"_"}:
                yield f"{unpacked(names, len(names))} = _conversion({self._time(node_of(i))})"

    def _factors(self, combine: Combine) -> Iterator[str]:
        """Phi and M0 of a landing, as far as they are read."""
        factor, moment = phi(combine.stage), zeroth_moment(combine.stage)
        if factor in self.phase.read:
            yield f"{self._short(factor)} = {self._factor(*self._ends(combine))}"
        if self._reads_mass(combine) or moment in self._lengths_of_moments:
            return
        if moment in self.phase.read:
            yield f"{self._short(moment)} = {self._moment(combine)}"

    def _ratios(self) -> Iterator[str]:
        """Phi from one stage to the next."""
        for i in self.phase.table.program.evaluations[1:]:
            found = (phi(one.stage, i) for one in self.phase.table.program.landings)
            for symbol in (one for one in found if one in self.phase.read):
                stage = int(symbol.name.removeprefix("phi_").split("_")[0])
                ends = (self._time(node_of(one)) for one in (stage, i))
                yield f"{symbol} = {self._factor(*ends)}"

    def _factor(self, end: str, start: str) -> str:
        is_closed = self.formulas.integrating_factor is not None
        return f"{'_factor' if is_closed else 'integrating_factor'}({end}, {start})"

    def _moment(self, combine: Combine) -> str:
        form, arguments = self.formulas.zeroth_moment, list(self._ends(combine))
        if form.has(GAP) or (self.formulas.is_half_log_snr and form.has(H)):
            arguments.append(self._interval(combine))
        return f"_moment({', '.join(arguments)})"

    # Means and weights

    def _count(self, combine: Combine) -> int:
        """How many means of powers of theta over a landing's interval are read, that of 1 too."""
        first = self.phase.intervals.first(combine)
        counts = (
            1 + power for one in self.phase.weights for stage, power in one.powers if stage == first
        )
        return max(counts, default=0)

    def _reads_mass(self, combine: Combine) -> bool:
        moment = zeroth_moment(combine.stage)
        return moment in self.phase.read and self.formulas.zeroth_moment.has(MASS)

    def _means(self, combine: Combine) -> Iterator[str]:
        """mu_1, mu_2, .. of a landing's interval, and M0 where that comes with them."""
        formulas, stage, reads_mass = self.formulas, combine.stage, self._reads_mass(combine)
        names = [self._short(moment_symbol(stage, k)) for k in range(1, self._count(combine))]
        if formulas.is_uniform and not reads_mass:
            return
        given = max(formulas.needs.moments - 1, 0) * (not formulas.is_uniform)
        if formulas.exponent is not None:
            if names:
                yield f"{unpacked(names, given)} = _means({self._interval(combine)})"
            return
        if formulas.integrals.mass:
            mass = "mass" if self._is_single else f"mass_{stage}"
            names, given = [mass, *(names if given else [])], given + 1
        if names:
            yield f"{unpacked(names, given)} = _means({', '.join(self._ends(combine))})"
        if reads_mass:
            moment = self._short(zeroth_moment(stage))
            yield f"{moment} = _moment({', '.join(self._ends(combine))}, {names[0]})"

    def _weights(self, one: LandingWeights) -> Iterator[str]:
        """The means of an interval where it is first read, and the weights of a landing."""
        combine, first = one.combine, self.phase.intervals.first
        seen = (each for each in self.phase.weights if first(each.combine) == first(combine))
        if one is next(seen) and first(combine) == combine.stage:
            yield from self._means(combine)
        if one.density is not None:
            yield f"{self._short(one.density)} = {self._density(combine)}"
        for name, form in one.rows:
            yield f"{self._short(name)} = {self._code(self._known(form))}"
        if one.nodes:
            yield from self._interpolated(one)

    def _density(self, combine: Combine) -> str:
        """The density of q at the end of an interval over its mean."""
        if self.formulas.is_uniform:
            return "1.0"
        arguments = [self._interval(combine)]
        if self.formulas.exponent is None:
            mass = "mass" if self._is_single else f"mass_{self.phase.intervals.first(combine)}"
            arguments = [*self._ends(combine), *arguments, mass]
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
        moments = [self._code(self._known(each)) for each in one.moments or own]
        base = next((name for name, j in one.nodes if combine.support[j] == combine.base), None)
        if len(one.nodes) > WRITTEN_OUT or base is None:
            pairs = self.phase.intervals.distances(combine)
            falls = ", ".join(self._ratio(combine, *pair) for pair in pairs)
            names = ", ".join(self._short(name) for name, _ in one.nodes)
            yield f"{names} = _weights({tuple_code(moments)}, {falls})"
            return
        others = [(name, combine.support[j]) for name, j in one.nodes if name != base]
        if len(others) == 1:
            (name, node), *_ = others
            ratio = self._ratio(combine, combine.base, node)
            yield f"{self._short(name)} = {quotient(moments[1], ratio)}"
        else:
            yield from self._two(combine, others, moments)
        rest = " - ".join(["1.0", *(self._short(name) for name, _ in others)])
        yield f"{self._short(base)} = {rest}"

    def _two(
        self, combine: Combine, others: list[tuple[Symbol, Node]], moments: list[str]
    ) -> Iterator[str]:
        """ell_p = (mu_2 - r_q mu_1)/(r_p (r_p - r_q)), and ell_q likewise; the third node is 0."""
        (p, node_p), (q, node_q) = others
        start, names = combine.base, []
        for name, *ends in (("p", start, node_p), ("q", start, node_q), ("apart", node_q, node_p)):
            ratio = self._ratio(combine, *ends)
            names.append(ratio)
            if ratio != "1.0":
                names[-1] = name if self._is_single else f"{name}_{combine.stage}"
                yield f"{names[-1]} = {ratio}"
        r_p, r_q, apart = names
        _, mu_1, mu_2 = moments
        below_p, below_q = (in_parentheses(product(one, apart)) for one in (r_p, r_q))
        yield f"{self._short(p)} = ({mu_2} - {product(r_q, mu_1)}) / {below_p}"
        yield f"{self._short(q)} = ({product(r_p, mu_1)} - {mu_2}) / {below_q}"
