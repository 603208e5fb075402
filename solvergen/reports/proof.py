"""The proof of the order, as a reader checks it: conditions, residuals, and the power series.

A landing's error is that of its mean of N,

    M_0 sum_k (mu_k - sum_j ell_j theta_j^k) (gamma_t - gamma_s)^k/k! d^kN/dgamma^k,

so that a residual that is O(h^v) leaves O(h^(k + 1 + v)), and need not vanish: that of
DPM-Solver-3, 2/3 mu_1 - mu_2, is O(h). Conditions of one landing are not yet the order of a run,
which is that of the whole program on power series (``solvergen.program.order``).
"""

from dataclasses import dataclass

from sympy import (
    Add,
    Expr,
    Integer,
    Poly,
    Rational,
    Symbol,
    cancel,
    factor,
    factorial,
    fraction,
    prod,
    together,
)

from solvergen.algebra.typesetting import Product, Spelled, Total, relation
from solvergen.program.program import PhaseProgram
from solvergen.reports.document import Block, Equation, Equations, Paragraph, Section, Table, Words
from solvergen.reports.update import (
    THETA,
    Landing,
    in_means,
    landings,
    mean,
    ratio,
    rational,
)
from solvergen.specification import schemes
from solvergen.specification.solver import Solver

GENERIC = (Integer(1), Rational(3, 7), Rational(-5, 11), Rational(2, 13), Rational(4, 5),
           Rational(-6, 17), Rational(3, 19), Rational(-7, 23), Rational(5, 29))  # fmt: skip
"""Coefficients of a density dq/dgamma in h theta of which no residual is small by chance."""

CLASSICAL = {mean(n): Rational(1, n + 1) for n in range(1, 12)}
UNEVEN = {ratio(j): Rational(7 + 3 * j, 5) for j in range(1, 12)}

h = Symbol("h", positive=True)
M_0 = Symbol("M_0")


@dataclass(frozen=True)
class Condition:
    """sum_j ell_j theta_j^k = mu_k of a landing.

    Attributes:
        k: which one.
        residual: left - right, in mu, r.
        power: v of its O(h^v); None if it is 0, or if its moments are not of one interval.
    """

    k: int
    residual: Expr
    power: int | None


VANISHING = Spelled("mean of prod_j (theta - theta_j)",
                    r"\overline{\textstyle\prod_j(\theta-\theta_j)}")  # fmt: skip


def conditions(landing: Landing, same_clock: bool) -> tuple[Condition, ...]:
    """As many as the landing has nodes, and one more."""
    if landing.is_plain:
        return _of_interpolation(landing, same_clock)
    found = []
    for k in range(len(landing.places) + 1):
        left = sum(w * place**k for w, place in zip(landing.weights, landing.places, strict=True))
        residual = left - (mean(k) if k else 1)
        residual = factor(together(residual.subs(CLASSICAL) if same_clock else residual))
        found.append(Condition(k, residual, _power(residual)))
    return tuple(found)


def _of_interpolation(landing: Landing, same_clock: bool) -> tuple[Condition, ...]:
    """It is exact for theta^k of lower degree than it has nodes; for the next it leaves the mean
    of the polynomial that vanishes at all of them, which is 0 too if the nodes are those of Gauss.
    """
    count = len(landing.places)
    met = [Condition(k, Integer(0), None) for k in range(count)]
    places = landing.places
    if landing.is_long:
        places = tuple(place.subs(UNEVEN) for place in places)
    vanishing = Poly(prod(THETA - place for place in places), THETA)
    terms = [factor(c) * (mean(k) if k else 1) for (k,), c in vanishing.terms()]
    residual = -Add(*(one.subs(CLASSICAL) if same_clock else one for one in terms))
    residual = factor(together(residual))
    shown = -VANISHING if landing.is_long and residual != 0 else residual
    return (*met, Condition(count, shown, _power(residual)))


def _power(residual: Expr) -> int | None:
    """The power of h of a residual, for a generic density of the clock."""
    names = residual.free_symbols
    if residual == 0 or any("(" in one.name or one.name == "w" for one in names):
        return None

    def moment(k: int) -> Expr:
        return sum(c * h**n / (k + n + 1) for n, c in enumerate(GENERIC))

    values = {mean(k): moment(k) / moment(0) for k in range(1, 12) if mean(k) in names}
    values |= UNEVEN
    above = fraction(cancel(together(residual.subs(values))))[0]
    return min(power for (power,) in above.as_poly(h).monoms())


def section(solver: Solver) -> Section:
    """Conditions with residuals, what each leaves, the leading error, and the verdict."""
    every = landings(solver.program.main)
    corrected = [one for one in every if one.combine.stage == 0]
    main = corrected[0] if corrected else every[-1]
    same = solver.weights.same_clock
    found = conditions(main, same)
    inner = " of the corrected landing" if corrected else " of the last landing"
    inner = "" if main.is_alone else inner
    blocks: list[Block] = [
        Paragraph((
            f"The error{inner} is that of its mean of N, read at the places theta_j, ", _error(),
            ". A residual that vanishes "
            "identically in all r_j and mu_k holds on every grid; one of O(h^v) gains v powers.",
        )),
        Table(
            (("order",), ("condition",), ("residual",), ("error of a step",)),
            tuple(_row(one, same) for one in found),
        ),
    ]  # fmt: skip
    leading = found[-1]
    if leading.residual != 0:
        k = leading.k
        N = Symbol(f"N^{{({k})}}")
        power, left_over = h**k / factorial(k), factor(-leading.residual)
        right = Product(M_0, in_means(left_over), power, N)
        if left_over.is_Rational:
            right = Product(left_over / factorial(k), M_0, h**k, N)
        left = Total(Spelled("x(t)", "x(t)"), -Symbol("x_t"))
        blocks += [
            Paragraph(("The first term that the weights leave, with ",
                       relation("=", h, Spelled("gamma_t - gamma_s", r"\gamma_t-\gamma_s")), ":")),
            Equations((Equation(left, Total(right, Spelled("..", r"\dots"))),)),
        ]  # fmt: skip
    return Section("proof of the order", (*blocks, *_verdict(solver)))


def _error() -> Expr:
    return Spelled(
        "M_0 sum_k (mu_k - sum_j ell_j theta_j^k) (gamma_t - gamma_s)^k/k! d^kN/dgamma^k",
        r"M_0\sum_k\Bigl(\mu_k-\sum_j\ell_j\theta_j^k\Bigr)\frac{(\gamma_t-\gamma_s)^k}{k!}N^{(k)}",
    )


def _row(one: Condition, same_clock: bool) -> tuple[Words, ...]:
    power = "" if one.k < 2 else f"^{one.k}"
    place = r"\theta_j" + (f"^{{{one.k}}}" if one.k > 1 else "") if one.k else ""
    right = Rational(1, one.k + 1) if same_clock or not one.k else mean(one.k)
    left = Spelled(
        "sum_j ell_j" + (f" theta_j{power}" if one.k else ""), rf"\textstyle\sum_j\ell_j{place}"
    )
    if one.residual == 0:
        left_over: Words = ("0",)
    elif one.power is None:
        left_over = ("by the series below",)
    else:
        left_over = (order_symbol(one.k + 1 + one.power),)
    return (
        (str(one.k + 1),), (relation("=", left, right),), (in_means(one.residual),), left_over,
    )  # fmt: skip


def order_symbol(power: int) -> Expr:
    """O(h^p)."""
    return Spelled(f"O(h^{power})", rf"O(h^{{{power}}})")


def _verdict(solver: Solver) -> tuple[Block, ...]:
    report = solver.order_report
    modulus = solver.order_field.modulus
    field = f"coefficients modulo the prime {modulus}" if modulus else "exact rational coefficients"
    once = (
        ("the start-up, from the initial value alone", report.startup),
        ("the last sample", report.last),
        ("the last steps", report.closing),
    )
    rows: list[tuple[Words, ...]] = [
        (("a main step, from exact values",), (order_symbol(report.main + 1),), ("in each step",))
    ]
    rows += [((what,), (order_symbol(power),), ("once",)) for what, power in once if power]
    return (
        Paragraph((
            "Conditions of one landing are not yet the order of a run. The whole program was run "
            f"on power series with {field}, for generic N(x, gamma), Phi and q on an uneven grid:",
        )),
        Table((("error of",), ("is",), ("added",)), tuple(rows)),
        Paragraph((
            f"Order {solver.order}. {solver.endpoints.start} {solver.endpoints.end}",
        ), boxed=True),
    )  # fmt: skip


def phases(solver: Solver) -> Section:
    """Every phase of a run, from the first step to the last, with its weights."""
    main, extra = solver.scheme.main.evaluations, solver.scheme.extra_evaluations
    more = f", and {extra} more in the start-up" if extra else ""
    rows = [
        row
        for phase in solver.program.all_phases
        for n, landing in enumerate(landings(phase))
        for row in _landing_rows(phase, landing, n == 0)
    ]
    head = (("phase",), ("lands at",), ("reads",), ("at ", THETA), ("with weights",))
    return Section(
        "from the first step to the last",
        (
            Paragraph((
                f"The scheme {schemes.to_text(solver.scheme)} takes {main} evaluation"
                f"{'s' if main > 1 else ''} of the network in a step{more}. Places are in theta of "
                "the landing's own interval, and mu_k is the mean of ", THETA ** Symbol("k"),
                " over it.",
            )),
            Table(head, tuple(rows)),
        ),
    )  # fmt: skip


def _landing_rows(phase: PhaseProgram, one: Landing, is_first: bool) -> list[tuple[Words, ...]]:
    """A row for each node of the support."""
    rows: list[tuple[Words, ...]] = []
    nodes = zip(one.combine.support, one.places, one.weights, strict=True)
    for n, (node, place, weight) in enumerate(nodes):
        lead = (phase.name.replace("_", " ") if is_first and n == 0 else "",)
        lands: Words = (rational(one.combine.position) if n == 0 else "",)
        shown = weight if weight.is_Rational else in_means(weight)
        rows.append((lead, lands, (one.value(node),), (place,), (shown,)))
    return rows
