"""One function of x in which an expression is algebraic.

    e^{-x} / sqrt(1 - e^{-2x})  =  u / sqrt(1 - u^2)      with u = e^{-x}

Each generator comes with the expression rewritten in it. The candidates are exponentials with
commensurable exponents, cosines and tangents of one angle, single function calls, and x itself,
if need be as a root.
"""

from collections.abc import Callable, Iterable, Iterator

import sympy
from sympy import Dummy, Expr, Function, Rational, Symbol

from solvergen.algebra.readable import effort

MAX_PARTS = 8
"""Sums and products that are tried, longest first: short ones leave the symbol elsewhere."""

_HYPERBOLIC = (sympy.sinh, sympy.cosh, sympy.tanh, sympy.coth)
_RECIPROCAL = (sympy.sec, sympy.csc, sympy.cot)


def generators(expression: Expr, x: Symbol) -> Iterator[tuple[Expr, Symbol, Expr]]:
    """Triples (g, u, e): ``expression`` is e at u = g(x), and e is free of x."""
    expression = expression.rewrite(_HYPERBOLIC, sympy.exp)
    for rewrite in (_in_sum, in_exponential, _in_angle, _in_call, _in_power):
        for generator, u, rewritten in rewrite(expression, x):
            if not rewritten.has(x):
                yield generator, u, rewritten


def _in_sum(expression: Expr, x: Symbol) -> Iterator[tuple[Expr, Symbol, Expr]]:
    """u = a sum or product that holds every x, and is not the whole: alpha in alpha/sqrt(1 -
    alpha^2).
    """
    parts = [e for e in expression.atoms(sympy.Add, sympy.Mul) if e.has(x) and e != expression]
    for part in sorted(parts, key=lambda e: (-sympy.count_ops(e), str(e)))[:MAX_PARTS]:
        u = Dummy("u", positive=True)
        yield part, u, expression.xreplace({part: u})


def in_exponential(expression: Expr, x: Symbol) -> Iterator[tuple[Expr, Symbol, Expr]]:
    """u = e^p, when every exponent of e is an integer multiple of p plus a constant."""
    expression = expression.replace(
        lambda e: isinstance(e, sympy.Pow) and not e.base.has(x) and e.exp.has(x),
        lambda e: sympy.exp(e.exp * sympy.log(e.base)),
    )
    calls = sorted((e for e in expression.atoms(sympy.exp) if e.has(x)), key=effort)
    if not calls:
        return
    parts = {e: sympy.expand(e.args[0]).as_independent(x, as_Add=True) for e in calls}
    base = parts[calls[0]][1]
    ratios = {e: sympy.cancel(varying / base) for e, (_, varying) in parts.items()}
    if not all(ratio.is_Rational for ratio in ratios.values()):
        return
    step = Rational(1, sympy.ilcm(1, 1, *(ratio.q for ratio in ratios.values())))
    u = Dummy("u", positive=True)
    powers = {e: sympy.exp(parts[e][0]) * u ** (ratios[e] / step) for e in calls}
    yield sympy.exp(sympy.expand(base * step)), u, expression.xreplace(powers)


def _in_angle(expression: Expr, x: Symbol) -> Iterator[tuple[Expr, Symbol, Expr]]:
    """u = tan p or cos p or sin p, for one angle p; the signs of the other two are left to the
    choice of branch, which squaring makes.
    """
    expression = expression.rewrite(_RECIPROCAL, sympy.cos)
    calls = [e for e in expression.atoms(sympy.sin, sympy.cos, sympy.tan) if e.has(x)]
    if not calls:
        return
    parts = {e: (sympy.S.Zero, e.args[0]) for e in calls}
    if not _are_commensurable(varying for _, varying in parts.values()):
        parts = {e: sympy.expand(e.args[0]).as_independent(x, as_Add=True) for e in calls}
    if not _are_commensurable(varying for _, varying in parts.values()):
        return
    base = min((varying for _, varying in parts.values()), key=effort)
    ratios = {e: sympy.cancel(varying / base) for e, (_, varying) in parts.items()}
    step = Rational(
        sympy.igcd(0, 0, *(ratio.p for ratio in ratios.values())),
        sympy.ilcm(1, 1, *(ratio.q for ratio in ratios.values())),
    )
    p = Dummy("p", positive=True)
    in_p = expression.xreplace({e: e.func(parts[e][0] + p * ratios[e] / step) for e in calls})
    in_p = sympy.expand_trig(in_p)
    angle = sympy.expand(base * step)
    for generator, sine, cosine in _circle():
        u = Dummy("u", positive=True)
        values = {
            sympy.sin(p): sine(u),
            sympy.cos(p): cosine(u),
            sympy.tan(p): sine(u) / cosine(u),
        }
        rewritten = in_p.xreplace(values)
        if not rewritten.has(p):
            yield generator(angle), u, rewritten


def _are_commensurable(expressions: Iterable[Expr]) -> bool:
    """Whether each is a rational multiple of the first."""
    first, *others = expressions
    return all(sympy.cancel(other / first).is_Rational for other in others)


def _circle() -> tuple[tuple[Function, Callable[[Expr], Expr], Callable[[Expr], Expr]], ...]:
    """(g, sin, cos) as functions of g."""
    return (
        (sympy.tan, lambda u: u / sympy.sqrt(1 + u**2), lambda u: 1 / sympy.sqrt(1 + u**2)),
        (sympy.cos, lambda u: sympy.sqrt(1 - u**2), lambda u: u),
        (sympy.sin, lambda u: u, lambda u: sympy.sqrt(1 - u**2)),
    )


def _in_call(expression: Expr, x: Symbol) -> Iterator[tuple[Expr, Symbol, Expr]]:
    """u = one function call that holds every x."""
    calls = [e for e in expression.atoms(Function) if e.has(x)]
    for call in sorted(calls, key=effort):
        u = Dummy("u", real=True)
        yield call, u, expression.xreplace({call: u})


def _in_power(expression: Expr, x: Symbol) -> Iterator[tuple[Expr, Symbol, Expr]]:
    """u = b^(1/q), which makes every power of b in e an integer one, for b = x and for each b of
    which e holds a root.
    """
    powers = [e for e in expression.atoms(sympy.Pow) if e.base.has(x) and e.exp.is_Rational]
    bases = {e.base for e in powers if not e.exp.is_Integer} - {x}
    for base in (*sorted(bases, key=effort), x):
        root = sympy.ilcm(1, 1, *(e.exp.q for e in powers if e.base == base))
        u = Dummy("u", positive=True)
        yield base ** Rational(1, root), u, expression.xreplace({base: u**root})
