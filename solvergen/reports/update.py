"""The update formula of a solver, as papers write it: weights in closed form, and differences.

    x_t = Phi x_s + M_0 sum_j ell_j N_j,        ell_j in the moments mu_k and the ratios r_j

with theta = 0 at the start of a landing's interval and 1 at its end, and the nodes at places r_j in
theta. With D_k the coefficient of theta^k of the polynomial that interpolates N, the same is

    x_t = Phi x_s + M_0 (D_0 + mu_1 D_1 + mu_2 D_2 + ..).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from sympy import Add, Expr, Function, Integer, Poly, Rational, Symbol, factor, fraction, together

from solvergen.algebra.typesetting import Product, Quotient, Spelled, Total, latex, relation, text
from solvergen.closed_forms.taylor import h
from solvergen.methods.rule import Moments
from solvergen.methods.scheme import CURRENT, Kind, Node
from solvergen.program.instructions import Combine
from solvergen.program.program import PhaseProgram
from solvergen.reports.derivation import at_end, moment
from solvergen.reports.document import Block, Equation, Equations, Paragraph, Section, Words
from solvergen.specification.solver import Solver
from solvergen.symbols import s, t

THETA = Symbol("theta")
MOST_DIFFERENCES = 4
"""Nodes up to which divided differences are written out."""
MOST_WRITTEN = 5
"""Nodes up to which the weights of an interpolation are expanded in its moments."""
LAGRANGE = Spelled("L_j(theta)", r"L_j(\theta)")
BASIS = Spelled("prod_(i != j) (theta - theta_i)/(theta_j - theta_i)",
                r"\prod_{i\ne j}\frac{\theta-\theta_i}{\theta_j-\theta_i}")  # fmt: skip


def rational(number: Fraction) -> Rational:
    """A fraction of the scheme as sympy has it."""
    return Rational(number.numerator, number.denominator)


def mean(k: int, along: int | None = None) -> Symbol:
    """mu_k of the landing's own interval, or (M0_l/M0) mu_k of that to the stage l."""
    return Symbol(f"mu_{k}" if along is None else f"mu_{{{k}}}^{{({along})}}")


def ratio(j: int) -> Symbol:
    """r_j, the length of the j-th last step in units of this one."""
    return Symbol(f"r_{j}", positive=True)


@dataclass(frozen=True)
class Landing:
    """One landing of a phase, with its weights as formulas.

    Attributes:
        phase: what it is part of.
        combine: what it does.
    """

    phase: PhaseProgram
    combine: Combine

    @property
    def is_last(self) -> bool:
        """Whether the step ends there."""
        return self.combine is self.phase.combines[-1]

    @property
    def is_alone(self) -> bool:
        """Whether its phase has no other."""
        return len(self.phase.landings) == 1

    @cached_property
    def interval(self) -> Expr:
        """Its length in units of the step."""
        return self._place(self.combine.node) - self._place(self.combine.base)

    @cached_property
    def places(self) -> tuple[Expr, ...]:
        """r_j of the support, in theta of its own interval."""
        start = self._place(self.combine.base)
        return tuple(
            factor((self._place(one) - start) / self.interval) for one in self.combine.support
        )

    @cached_property
    def weights(self) -> tuple[Expr, ...]:
        """ell_j in ``mean``, ``ratio`` and, for UniPC's B(h) = h, ``w``; of many nodes only what
        they are means of.
        """
        if self.is_long:
            nodes = range(len(self.places))
            return tuple(Spelled(f"mean of L_{j}", rf"\overline{{L_{{{j}}}}}") for j in nodes)
        end_density = Symbol("w")

        def moment_of(k: int, along: int | None) -> Expr:
            return Integer(1) if k == 0 and along is None else mean(k, along)

        found = self.combine.rule.weights(self.places, moment_of, lambda: end_density)
        return tuple(factor(together(Add(one))) for one in found)

    @property
    def is_plain(self) -> bool:
        """Whether it interpolates, with the clock's own moments."""
        return self.combine.rule.is_plain

    @property
    def is_long(self) -> bool:
        """Whether its weights in moments and ratios would fill a page."""
        return self.is_plain and len(self.combine.support) > MOST_WRITTEN

    def _place(self, node: Node) -> Expr:
        """theta of the step."""
        if node.kind is Kind.PAST:
            return -Add(*(ratio(j) for j in range(1, node.index + 1)))
        return rational(self.phase.position(node.index if node.kind is Kind.STAGE else 0))

    # Names

    def time(self, node: Node) -> Expr:
        """What the time of a node is called."""
        if node.kind is Kind.PAST:
            return Symbol(f"s_{node.index}")
        if node == CURRENT or node.index == 0:
            return s
        return t if node.index == len(self.phase.combines) else Symbol(f"t_{node.index}")

    def value(self, node: Node) -> Symbol:
        """What the integrand is called there."""
        return Symbol(f"N_{{{self.time(node)}}}")

    def sample(self, node: Node) -> Symbol:
        """What the sample is called there."""
        return Symbol(f"x_{{{self.time(node)}}}")

    def of_interval(self, name: str) -> Expr:
        """Phi, M_0 and mu_k from its start to its end."""
        return Function(name)(self.time(self.combine.node), self.time(self.combine.base))

    def weight(self, j: int) -> Symbol:
        """What ell_j is called."""
        return Symbol(f"ell_{j}" if self.is_alone else f"ell_{{{self.combine.stage},{j}}}")

    def difference(self, k: int | str) -> Symbol:
        """What D_k is called: that of the step as it is, those of other landings with a number."""
        return Symbol(f"D_{k}" if self.is_last else f"D_{{{self.combine.stage},{k}}}")

    def divided(self, first: int, last: int) -> Symbol:
        """What the divided difference of the nodes from one to another is called."""
        nodes = ",".join(map(str, range(first, last + 1)))
        return Symbol(f"F_{{{nodes}}}" if self.is_last else f"F_{{{self.combine.stage};{nodes}}}")


def landings(phase: PhaseProgram) -> tuple[Landing, ...]:
    """Those of a step, without what estimates its error."""
    return tuple(Landing(phase.step, one) for one in phase.step.landings)


def in_means(weight: Expr) -> Expr:
    """A weight as a polynomial in its moments, the constant first."""
    means = sorted(
        (one for one in weight.free_symbols if one.name.startswith("mu_") or one.name == "w"),
        key=lambda one: one.name,
    )
    if not means:
        return weight
    terms = sorted(Poly(weight, *means).terms(), key=lambda one: (sum(one[0]), one[0][::-1]))
    found = []
    for powers, coefficient in terms:
        product = Integer(1)
        for base, power in zip(means, powers, strict=True):
            product *= base**power
        found.append(_term(factor(coefficient), product))
    return Total(*found) if len(found) > 1 else found[0]


def _term(coefficient: Expr, product: Expr) -> Expr:
    """c mu, as mu/d where c = 1/d."""
    if product == 1:
        return coefficient
    sign = -1 if coefficient.could_extract_minus_sign() else 1
    above, below = fraction(sign * coefficient)
    if above == 1:
        return sign * product / below
    return Product(coefficient, product)


def section(solver: Solver) -> Section:
    """The update formula, its weights, and the same step in differences."""
    found = landings(solver.program.main)
    blocks: list[Block] = [
        Paragraph(_opening(solver, found)),
        Equations(tuple(_update(one, solver) for one in found), boxed=True),
        Equations(tuple(_definitions(solver, found))),
    ]
    for one in found:
        if one.is_plain and 1 < len(one.combine.support) <= MOST_DIFFERENCES:
            blocks += _in_differences(one, solver)
    return Section("update formula", (*blocks, *_limited(solver)))


def _limited(solver: Solver) -> Iterator[Paragraph]:
    """What happens to the weights where steps grow suddenly."""
    if solver.limiter is not None and solver.program.is_limited:
        bound = "" if solver.limiter == 1 else f"{rational(solver.limiter)} times "
        total = Spelled("sum_j |ell_j|", r"\textstyle\sum_j|\ell_j|")
        yield Paragraph((
            "Where steps grow suddenly these weights are blended with those of the order below, so "
            "that ", total, f" is at most {bound}what it is on even steps: the "
            "order is that on grids whose steps grow by 1 + O(h).",
        ))  # fmt: skip


def _opening(solver: Solver, found: tuple[Landing, ...]) -> Words:
    words: list[str | Expr] = ["One step from the time ", s, " to ", relation("<", t, s)]
    inner = [one for one in found if not one.is_last and one.combine.stage > 0]
    for one in inner:
        place = relation("=", THETA, rational(one.combine.position))
        words += [", over ", one.time(one.combine.node), " at ", place]
    past = max((node.index for one in found for node in one.combine.support
                if node.kind is Kind.PAST), default=0)  # fmt: skip
    if past:
        times = ", ".join(f"s_{j}" for j in range(1, past + 1))
        words += [f", after steps that started at {times}"]
    words += [f". N is {solver.integrand.name}, the network predicts {solver.prediction.name}."]
    if inner:
        words += [" Places are in ", relation("=", THETA, _theta()), "."]
    return tuple(words)


def _theta() -> Expr:
    gamma = Function("gamma")
    return (gamma(Symbol("u")) - gamma(s)) / (gamma(t) - gamma(s))


def _update(one: Landing, solver: Solver) -> Equation:
    """x = Phi x + M_0 [sum]."""
    support = one.combine.support
    if len(support) == 1 and one.weights == (1,):
        inner = one.value(support[0])
    else:
        inner = Total(*(Product(one.weight(j), one.value(n)) for j, n in enumerate(support)))
    before = one.sample(one.combine.base)
    kept = before if solver.ode.factor == 1 else Product(one.of_interval("Phi"), before)
    note = "" if one.combine.stage else "corrected, once the network is known there"
    right = Total(kept, Product(one.of_interval("M_0"), inner))
    if one.combine.mirrored:
        phi = "" if solver.ode.factor == 1 else "Phi "
        note = f"half of a step: the network sees z_t = 2 m_t - {phi}z_s next, and N_s is N at z_s"
        return Equation(Symbol(f"m_{{{one.time(one.combine.node)}}}"), right, note=note)
    return Equation(one.sample(one.combine.node), right, note=note)


def _definitions(solver: Solver, found: tuple[Landing, ...]) -> Iterator[Equation]:
    """Phi and M_0, the weights, r_j and mu_k."""
    ode, weights = solver.ode, solver.weights
    if ode.factor != 1:
        yield _of_two_times("Phi", ode.general_integrating_factor)
    yield _of_two_times("M_0", ode.general_zeroth_moment)
    for one in found:
        if len(one.combine.support) > 1 or one.weights != (1,):
            for j, weight in enumerate(one.weights):
                yield Equation(one.weight(j), in_means(weight), note=_where(one) if j == 0 else "")
        if one.is_long:
            yield Equation(LAGRANGE, BASIS, note="mean over the step, by the clock q")
            yield Equation(Symbol("theta_j"), listed(one.places))
    written = (form for one in found for form in (one.places if one.is_long else one.weights))
    read = {symbol.name for form in written for symbol in form.free_symbols}
    for j in range(1, solver.program.main.history + 1):
        if f"r_{j}" in read:
            yield Equation(ratio(j), _ratio(j))
    moments = [
        moment(weights, k)
        for k in range(1, 12)
        if any(name.startswith((f"mu_{k}", f"mu_{{{k}}}")) for name in read)
    ]
    yield from moments
    if any(name.startswith("mu_{") for name in read):
        mixed = Function("M_0")(Symbol("t_l"), s) / Function("M_0")(t, s)
        yield Equation(mean_of_other(), Product(mixed, Function("mu_k")(Symbol("t_l"), s)))
    if "w" in read:
        yield Equation(Symbol("w"), Spelled("(dq/dgamma at the end)/(its mean over the step)",
            r"\frac{dq}{d\gamma}\Big|_{t}\Big/\overline{\frac{dq}{d\gamma}}"))  # fmt: skip
    if any(row.right is not None and row.right.has(h) for row in moments):
        yield Equation(h, Function("gamma")(t) - Function("gamma")(s))


def listed(places: tuple[Expr, ...]) -> Expr:
    """Places, with commas."""
    return Spelled(", ".join(map(text, places)), ",\\ ".join(map(latex, places)))


def mean_of_other() -> Symbol:
    """mu_k of the interval to another stage."""
    return Symbol("mu_{k}^{(l)}")


def _where(one: Landing) -> str:
    """Over which interval the moments of a landing are taken, where there are several."""
    if one.is_alone or all(weight.is_Rational for weight in one.weights):
        return ""
    return f"mu_k over [{one.time(one.combine.base)}, {one.time(one.combine.node)}]"


def _of_two_times(name: str, form: Expr | None) -> Equation:
    missing = "by quadrature" if form is None else ""
    return Equation(Function(name)(t, s), None if form is None else at_end(form), missing=missing)


def _ratio(j: int) -> Expr:
    gamma = Function("gamma")
    later = s if j == 1 else Symbol(f"s_{j - 1}")
    return (gamma(later) - gamma(Symbol(f"s_{j}"))) / (gamma(t) - gamma(s))


def _in_differences(one: Landing, solver: Solver) -> list[Block]:
    count = len(one.combine.support)
    names = [one.difference(k) for k in range(count)]
    terms = [names[0], *(Product(mean(k), names[k]) for k in range(1, count))]
    before = one.sample(one.combine.base)
    kept = before if solver.ode.factor == 1 else Product(one.of_interval("Phi"), before)
    right = Total(kept, Product(one.of_interval("M_0"), Total(*terms)))
    rows = tuple(Equation(name, form) for name, form in differences(one))
    interval = f" of [{one.time(one.combine.base)}, {one.time(one.combine.node)}]"
    words = (
        "In differences, with ", one.difference("k"), " the coefficient of ", THETA ** Symbol("k"),
        " of the polynomial that interpolates N at the places ",
        relation("=", THETA, listed(one.places)), "" if one.is_alone else interval, ":",
    )  # fmt: skip
    return [
        Paragraph(words),
        Equations((Equation(one.sample(one.combine.node), right),), boxed=True),
        Equations(rows),
    ]


def differences(one: Landing) -> tuple[tuple[Symbol, Expr], ...]:
    """D_k by Newton's divided differences F in theta, and what those are."""
    places, values = one.places, [one.value(node) for node in one.combine.support]
    count = len(places)
    table: dict[tuple[int, int], Symbol] = {(i, i): value for i, value in enumerate(values)}
    divided: list[tuple[Symbol, Expr]] = []
    for width in range(1, count):
        for i in range(count - width):
            j = i + width
            apart = factor(places[i] - places[j])
            name = one.divided(i, j)
            divided.append((name, _quotient(table[i, j - 1], table[i + 1, j], apart)))
            table[i, j] = name
    if count == 2:
        (_, slope), start, first = divided[0], places[0], one.difference(1)
        lowest = values[0] if start == 0 else Total(values[0], Product(-start, first))
        return (one.difference(0), lowest), (first, slope)
    newton, found = Integer(1), [[] for _ in range(count)]  # type: ignore[var-annotated]
    for j in range(count):
        for (power,), coefficient in Poly(newton, THETA).terms():
            if coefficient != 0:
                found[power].append(_product(factor(coefficient), table[0, j]))
        newton = newton * (THETA - places[j])
    rows = [
        (one.difference(k), Total(*terms) if len(terms) > 1 else terms[0])
        for k, terms in enumerate(found)
    ]
    needed = {one for _, form in rows for one in form.free_symbols}
    for name, form in reversed(divided):
        needed |= form.free_symbols if name in needed else set()
    return (*rows, *((name, form) for name, form in divided if name in needed))


def _product(coefficient: Expr, name: Symbol) -> Expr:
    return name if coefficient == 1 else Product(coefficient, name)


def _quotient(first: Symbol, second: Symbol, apart: Expr) -> Expr:
    """(first - second)/apart, with a positive denominator."""
    if apart.could_extract_minus_sign():
        first, second, apart = second, first, -apart
    difference = Total(first, -second)
    if apart.is_Rational:
        return difference if apart == 1 else Product(1 / apart, difference)
    return Quotient(difference, apart)


def uses_exact_moments(one: Landing) -> bool:
    """Whether its rule reads the clock's own moments."""
    return one.combine.rule.moments is Moments.EXACT and not one.combine.rule.scale
