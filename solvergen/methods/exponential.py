"""Exponential Runge-Kutta methods of orders 3 and 4, as schemes.

The sources write coefficients as sums of phi_k(c_i z) for constant z. In the clocks of a solver
(THEORY section 5)

    c_l h phi_(k+1)(c_l z) = M0_l mu_k^(l) / k!

for every integrand, expansion variable and schedule, so a coefficient of phi_(k+1)(c_l z) in a_ij
is (M0_l/M0_i) mu_k^(l) / (c_l k!) in the weight ell_j of stage i.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import factorial

from solvergen.methods.rule import Monomial, Row, Rule
from solvergen.methods.scheme import CURRENT, END, Node, Phase, Scheme, Stage, stage

HALF = Fraction(1, 2)
REVIEW = "Hochbruck and Ostermann 2005 (SIAM J. Numer. Anal. 43, 1069)"
Phis = Mapping[int, Fraction | int]
"""{k: coefficient of phi_k}."""


def _row(c: Fraction, own: Phis, along: Mapping[int, Phis], places: Mapping[int, Fraction]) -> Row:
    """One weight: phi functions of the stage's own interval and of other stages' intervals."""
    terms = [
        Monomial(Fraction(factor) / (c * factorial(k - 1)), k - 1) for k, factor in own.items()
    ]
    for other, phis in along.items():
        terms += [
            Monomial(Fraction(factor) / (places[other] * factorial(k - 1)), k - 1, other)
            for k, factor in phis.items()
        ]
    return tuple(terms)


def _stage(
    c: Fraction,
    weights: Mapping[Node, Phis],
    along: Mapping[Node, Mapping[int, Phis]] | None = None,
    places: Mapping[int, Fraction] | None = None,
) -> Stage:
    rows = tuple(
        _row(c, phis, (along or {}).get(node, {}), places or {}) for node, phis in weights.items()
    )
    return Stage(c, tuple(weights), Rule(rows=rows))


def _scheme(name: str, stages: Sequence[Stage], source: str) -> Scheme:
    return Scheme(name, Phase("main", tuple(stages)), source=source)


_FIRST = _stage(HALF, {CURRENT: {1: HALF}})
_LAST = _stage(
    END,
    {
        CURRENT: {1: 1, 2: -3, 3: 4},
        stage(1): {2: 2, 3: -4},
        stage(2): {2: 2, 3: -4},
        stage(3): {2: -1, 3: 4},
    },
)


def res_3s() -> Scheme:
    """Three stages, stiff order 3, c = (0, 1/2, 1) (Hochbruck and Ostermann 2005).

    a_32 = g c_2 phi_(2,2) + (c_3^2/c_2) phi_(2,3), b_2 = g phi_2/(g c_2 + c_3), b_3 =
    phi_2/(g c_2 + c_3) with 2 (g c_2 + c_3) = 3 (g c_2^2 + c_3^2), so that g = 4. It is the
    singlestep third-order method of RES (Zhang et al. 2023, arXiv:2308.02157).
    """
    third = Fraction(1, 3)
    stages = (
        _FIRST,
        _stage(
            END,
            {CURRENT: {1: 1, 2: -2}, stage(1): {2: 2}},
            {CURRENT: {1: {2: -2}}, stage(1): {1: {2: 2}}},
            {1: HALF},
        ),
        _stage(
            END, {CURRENT: {1: 1, 2: -5 * third}, stage(1): {2: 4 * third}, stage(2): {2: third}}
        ),
    )
    return _scheme("res_3s", stages, f"Zhang et al. 2023 (arXiv:2308.02157); {REVIEW}")


def cox_matthews() -> Scheme:
    """ETD4RK: the third stage starts from the first (Cox and Matthews 2002)."""
    stages = (
        _FIRST,
        _stage(HALF, {stage(1): {1: HALF}}),
        Stage(
            END,
            (CURRENT, stage(2)),
            Rule(rows=((Monomial(Fraction(-1)),), (Monomial(Fraction(2)),))),
            stage(1),
        ),
        _LAST,
    )
    return _scheme("cox_matthews", stages, "Cox and Matthews 2002 (J. Comput. Phys. 176, 430)")


def krogstad() -> Scheme:
    """ETDRK4-B (Krogstad 2005, eq. 51)."""
    stages = (
        _FIRST,
        _stage(HALF, {CURRENT: {1: HALF, 2: -1}, stage(1): {2: 1}}),
        _stage(END, {CURRENT: {1: 1, 2: -2}, stage(2): {2: 2}}),
        _LAST,
    )
    return _scheme("krogstad", stages, f"Krogstad 2005 (J. Comput. Phys. 203, 72); {REVIEW}")


def strehmel_weiner() -> Scheme:
    """The four-stage method of Strehmel and Weiner (Hochbruck and Ostermann 2005)."""
    stages = (
        _FIRST,
        _stage(HALF, {CURRENT: {1: HALF, 2: -HALF}, stage(1): {2: HALF}}),
        _stage(END, {CURRENT: {1: 1, 2: -2}, stage(1): {2: -2}, stage(2): {2: 4}}),
        _stage(
            END,
            {CURRENT: {1: 1, 2: -3, 3: 4}, stage(2): {2: 4, 3: -8}, stage(3): {2: -1, 3: 4}},
        ),
    )
    return _scheme("strehmel_weiner", stages, f"Strehmel and Weiner 1992 (Teubner); {REVIEW}")


def hochbruck_ostermann() -> Scheme:
    """Five stages and stiff order 4 (Hochbruck and Ostermann 2005).

    a_52 = a_53 = phi_(2,5)/2 - phi_(3,4) + phi_(2,4)/4 - phi_(3,5)/2, a_54 = phi_(2,5)/4 - a_52.
    """
    quarter = Fraction(1, 4)
    inner: Phis = {2: HALF, 3: -HALF}
    outer: Phis = {2: quarter, 3: -1}
    fifth = _stage(
        HALF,
        {
            CURRENT: {1: HALF, 2: -HALF - quarter, 3: HALF},
            stage(1): inner,
            stage(2): inner,
            stage(3): {2: -quarter, 3: HALF},
        },
        {
            CURRENT: {3: {2: -quarter, 3: 1}},
            stage(1): {3: outer},
            stage(2): {3: outer},
            stage(3): {3: {2: -quarter, 3: 1}},
        },
        {3: END},
    )
    stages = (
        _FIRST,
        _stage(HALF, {CURRENT: {1: HALF, 2: -1}, stage(1): {2: 1}}),
        _stage(END, {CURRENT: {1: 1, 2: -2}, stage(1): {2: 1}, stage(2): {2: 1}}),
        fifth,
        _stage(
            END,
            {CURRENT: {1: 1, 2: -3, 3: 4}, stage(3): {2: -1, 3: 4}, stage(4): {2: 4, 3: -8}},
        ),
    )
    return _scheme("hochbruck_ostermann", stages, REVIEW)
