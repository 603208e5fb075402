"""Names in the function of a phase: its times, the lengths between them, and what is counted.

    t, s, s_1, ..       the end of the step, its start, and earlier starts
    u or u_1, ..        inner times
    h, h_1, ..          gamma over the step and over earlier ones
    g or g_1, ..        gamma from the start to an inner time

In a step of one landing its scalars need no index: phi, m, ell_0 are those of the step.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from sympy import Expr, Symbol

from solvergen.methods.scheme import Kind, Node
from solvergen.program.instructions import Combine, Draw, node_of
from solvergen.program.table import UP, conversion, phi, spread, zeroth_moment
from solvergen.scalars.formulas import Formulas
from solvergen.scalars.intervals import END, START
from solvergen.scalars.landings import moment_symbol
from solvergen.scalars.lengths import GAP, H
from solvergen.scalars.phase_formulas import PhaseFormulas
from solvergen.targets.calls import Calls
from solvergen.targets.formulas import Spelling
from solvergen.targets.products import in_parentheses

RAISED = (UP.name, "nu")
"""What a phase is given of the noise that is raised before the next step."""


@dataclass(frozen=True)
class PhaseNames:
    """What the function of one phase calls what it computes.

    Attributes:
        formulas: of the module.
        phase: what is spelled.
        has_parts: whether it is given what is known of the parts of its steps.
    """

    formulas: Formulas
    phase: PhaseFormulas
    has_parts: bool = field(default=False, kw_only=True)

    @cached_property
    def times(self) -> tuple[str, ...]:
        """t, s, and the starts of the earlier steps that values are kept of: s_1, .."""
        read = [
            node.index
            for one in self.phase.weights
            for node in (*(one.combine.support if one.nodes else ()), one.combine.base)
            if node.kind is Kind.PAST
        ]
        return ("t", "s", *(f"s_{k}" for k in range(1, max(read, default=0) + 1)))

    @cached_property
    def bounds(self) -> tuple[str, ...]:
        """The argument behind the times that the weights of the phase are bounded by, if any."""
        limited = ("limiter",) if any(one.combine.bound for one in self.phase.weights) else ()
        raised = RAISED if self.formulas.churn is not None else ()
        return (*limited, *self.eta, *raised)

    @property
    def eta(self) -> tuple[str, ...]:
        """The argument that says eta of each step, if a run may choose it."""
        return ("eta",) if self.formulas.noise is not None else ()

    @property
    def calls(self) -> Calls:
        """Of the functions of a step."""
        return Calls(self.formulas)

    @cached_property
    def _spelling(self) -> Spelling:
        return Spelling(self.formulas.schedule.parameters)

    @cached_property
    def landings(self) -> tuple[Combine, ...]:
        """One for every interval."""
        landings, first = self.phase.table.program.landings, self.phase.intervals.first
        return tuple(one for one in landings if first(one) == one.stage)

    @cached_property
    def is_single(self) -> bool:
        """Whether the step has one landing beside a correction."""
        return len(self.phase.table.program.combines) == 1

    def code(self, form: Expr) -> str:
        """A formula in the names of the function."""
        named = {one: Symbol(self.short(one)) for one in form.free_symbols}
        return self._spelling.code(form.xreplace(named))

    def short(self, symbol: Symbol) -> str:
        """phi_1 as phi where the step has one landing; M0 as the length that it is."""
        name = self.lengths_of_moments.get(symbol, symbol.name)
        if symbol == spread(0):
            return RAISED[1]
        if not self.is_single:
            return name
        known = {"phi_1": "phi", "m_1": "m", "a_0": "a", "b_0": "b", "w_1": "w", "nu_1": "nu"}
        for whole, short in (("ell_1_", "ell_"), ("mu_1_", "mu_")):
            if name.startswith(whole):
                return short + name.removeprefix(whole)
        return known.get(name, name)

    @cached_property
    def lengths_of_moments(self) -> dict[Symbol, str]:
        """M0 of the landings for which it is a length that has a name."""
        if self.formulas.zeroth_moment not in (GAP, H):
            return {}
        names = {zeroth_moment(one.stage): self.interval(one) for one in self.landings}
        return {symbol: name for symbol, name in names.items() if name.isidentifier()}

    def time(self, node: Node) -> str:
        """The name of a node's time."""
        if node.kind is Kind.PAST:
            return f"s_{node.index}"
        theta = self.phase.table.program.position(node.index)
        return {START: "s", END: "t"}.get(theta) or self.inner[theta]

    @cached_property
    def inner(self) -> dict[Fraction, str]:
        """The names of the times of inner evaluations: u, or u_1, u_2, .."""
        found = self.phase.intervals.inner
        single = len(found) == 1
        return {theta: "u" if single else f"u_{k}" for k, theta in enumerate(found, start=1)}

    def ends(self, combine: Combine) -> tuple[str, str]:
        """The times at the end and at the start of a landing's interval."""
        return self.time(node_of(combine.stage)), self.time(combine.base)

    @cached_property
    def lengths(self) -> dict[str, tuple[str, str]]:
        """(end, start) of the lengths in gamma that are read: h, h_1, .., then those to stages."""
        found: dict[str, tuple[str, str]] = {}
        for pair in self._distances:
            low, high = sorted(pair)
            for k in range(int(min(low, START)), 0):
                found[f"h_{-k}"] = (self.times[-k], self.times[1 - k])
            for theta in pair:
                if theta in self.inner:
                    found[self._length_to(theta)] = (self.inner[theta], "s")
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
        if self.calls.reads_length_in_spread:
            pairs |= {(one.ends[1], one.ends[0]) for one in self.phase.table.program.draws}
        theta = self.phase.intervals.theta
        places = {(theta(first), theta(last)) for first, last in pairs}
        return {one for one in places if one[0] != one[1]}

    def _reads_interval(self, combine: Combine) -> bool:
        """Whether the length of a landing's interval is read by its M0 or its means."""
        formulas, moment = self.formulas, self.formulas.zeroth_moment
        reads = zeroth_moment(combine.stage) in self.phase.read and moment.has(GAP)
        if formulas.is_half_log_snr:
            reads |= zeroth_moment(combine.stage) in self.phase.read and moment.has(H)
            reads |= formulas.exponent is not None and self.count(combine) > 1
        return bool(reads)

    def _length_to(self, theta: Fraction) -> str:
        """The name of gamma from s to an inner time: g, or g_1, .."""
        return "g" + self.inner[theta].removeprefix("u")

    def distance(self, first: Node, last: Node) -> str:
        """gamma at ``last`` minus gamma at ``first`` as a sum of lengths, all of one sign."""
        low, high = map(self.phase.intervals.theta, (first, last))
        if low > high:
            return f"-{in_parentheses(self.distance(last, first))}"
        if low in self.inner:
            return f"{'h' if high == END else self._length_to(high)} - {self._length_to(low)}"
        terms = [f"h_{-k}" for k in range(int(low), 0) if k < high][::-1]
        if high in self.inner:
            terms.insert(0, self._length_to(high))
        return " + ".join([*(["h"] if high == END else []), *terms])

    def interval(self, combine: Combine) -> str:
        """The length of a landing's interval."""
        return self.distance(combine.base, node_of(combine.stage))

    def ratio(self, combine: Combine, start: Node, end: Node) -> str:
        """The distance of two nodes over that of a landing from its base."""
        known = self.phase.intervals.ratio(combine, start, end)
        if known is not None:
            return str(float(known))
        distance, whole = self.distance(start, end), in_parentheses(self.interval(combine))
        return f"{distance if distance.startswith('-') else in_parentheses(distance)} / {whole}"

    def count(self, combine: Combine) -> int:
        """How many means of powers of theta over a landing's interval are read, that of 1 too."""
        first = self.phase.intervals.first(combine)
        counts = (
            1 + power for one in self.phase.weights for stage, power in one.powers if stage == first
        )
        return max(counts, default=0)

    def mass(self, stage: int) -> str:
        """The name of int q' over the interval of a landing; a correction has one of its own."""
        return "mass" if self.is_single and stage else f"mass_{stage}"

    def reads_dense(self, combine: Combine) -> bool:
        """Whether a density at the end of a landing's interval reads int q' over it."""
        first = self.phase.intervals.first
        dense = [one for one in self.phase.weights if one.density is not None]
        is_even = self.formulas.is_uniform  # its density over its mean is 1
        return not is_even and combine.stage in {first(one.combine) for one in dense}

    # What is known of a whole step, this one or one before it

    def steps_back(self, combine: Combine) -> int | None:
        """0 for a landing that integrates over this step, k for one over the k-th before it."""
        last, first = self.phase.intervals.ends(combine)
        return int(END - last) if last.denominator == 1 and last - first == 1 else None

    def is_whole(self, draw: Draw) -> bool:
        """Whether noise is drawn over the whole step at once."""
        ends = tuple(map(self.phase.intervals.theta, draw.ends))
        return ends == (END, START)

    def of_step(self, back: int) -> dict[str, str]:
        """The names of the scalars of a whole step that are read, by what they are of any step:
        h, A and B at its start, Phi, M0, nu, int q', mu_1, mu_2, .."""
        length = f"h_{back}" if back else "h"
        found = {"h": length} if length in self.lengths else {}
        if not back:
            for draw in filter(self.is_whole, self.phase.table.program.draws):
                found["nu"] = self.short(spread(draw.stage))
            found |= self._conversion_at_start
        for one in (one for one in self.landings if self.steps_back(one) == back):
            found |= self._of_interval(one)
        return found

    def _of_interval(self, one: Combine) -> dict[str, str]:
        """The names of those scalars of a landing's interval that belong to it as a whole."""
        scalars, moment = {"phi": phi(one.stage)}, zeroth_moment(one.stage)
        if moment not in self.lengths_of_moments:
            scalars["m"] = moment
        found = {k: self.short(name) for k, name in scalars.items() if name in self.phase.read}
        if self.formulas.integrals.mass and self.reads_dense(one):
            found["mass"] = self.mass(one.stage)
        means = range(1, self.count(one) if self.calls.means_given else 0)
        return found | {f"mu_{k}": self.short(moment_symbol(one.stage, k)) for k in means}

    # What is known of the parts of a step

    @cached_property
    def parts(self) -> dict[tuple[str, str], dict[str, str]]:
        """(end, start) of each part of a step that goes on as the run does, and the names of its
        scalars that are read.
        """
        if not self.has_parts:
            return {}
        inner = (one for one in self.lengths.items() if one[0].startswith("g"))
        found = {ends: {"h": name} for name, ends in inner}
        for one in self.landings:
            if self.steps_back(one) is None:
                found[self.ends(one)] = found.get(self.ends(one), {}) | self._of_interval(one)
        for symbol, ends in self.ratios:
            found.setdefault(ends, {}).setdefault("phi", symbol.name)
        places = {"s": START, "t": END} | {name: theta for theta, name in self.inner.items()}
        found = {one: names for one, names in found.items() if places[one[0]] > places[one[1]]}
        for i, names in self.conversions:
            following = (ends for ends in found if ends[1] == self.time(node_of(i)))
            if (first := next(following, None)) is not None:
                found[first] |= names
        return {ends: names for ends, names in found.items() if names}

    @property
    def ratios(self) -> Iterator[tuple[Symbol, tuple[str, str]]]:
        """Phi from one stage to the next, and the times that it leads to and from."""
        program = self.phase.table.program
        for i in program.evaluations[1:]:
            found = (phi(one.stage, i) for one in program.landings)
            for symbol in (one for one in found if one in self.phase.read):
                stage = int(symbol.name.removeprefix("phi_").split("_")[0])
                yield symbol, (self.time(node_of(stage)), self.time(node_of(i)))

    @property
    def conversions(self) -> Iterator[tuple[int, dict[str, str]]]:
        """The evaluations behind the start of a step, and the names of A and B there."""
        at, program = self.phase.intervals.first_at, self.phase.table.program
        for i in dict.fromkeys(map(at, program.evaluations)):
            if program.position(i) != START:
                pairs = zip("ab", conversion(i), strict=True)
                yield i, {k: self.short(one) for k, one in pairs if one in self.phase.read}

    @property
    def _conversion_at_start(self) -> dict[str, str]:
        """A and B of the first evaluation at the start of a step."""
        program = self.phase.table.program
        first = next((i for i in program.evaluations if program.position(i) == START), None)
        if first is None:
            return {}
        known = zip("ab", conversion(first), strict=True)
        return {name: self.short(one) for name, one in known if one in self.phase.read}
