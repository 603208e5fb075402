"""An expression as a straight-line mpmath program.

    e^(-2 l)/(1 + e^(-2 l))    ->    v0 = -2*x0;  v1 = exp(v0);  v2 = 1 + v1;  v3 = v1/v2

Every distinct part is computed once, integers stay integers, and fractions and constants take the
precision that is in force when the program runs, so that one program serves every precision. What
no symbol is in is computed once in each.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mpmath
import sympy
from sympy import (
    Basic,
    Derivative,
    Expr,
    Function,
    Integral,
    NumberSymbol,
    Piecewise,
    Symbol,
    Tuple,
    UnevaluatedExpr,
)
from sympy.codegen.cfunctions import expm1, log1p

from solvergen.algebra.root_sums import in_many_digits, root_logarithms

FUNCTIONS: dict[type, Callable[..., Any]] = {
    sympy.exp: mpmath.exp,
    sympy.log: mpmath.log,
    sympy.sin: mpmath.sin,
    sympy.cos: mpmath.cos,
    sympy.tan: mpmath.tan,
    sympy.cot: mpmath.cot,
    sympy.sec: mpmath.sec,
    sympy.csc: mpmath.csc,
    sympy.asin: mpmath.asin,
    sympy.acos: mpmath.acos,
    sympy.atan: mpmath.atan,
    sympy.atan2: mpmath.atan2,
    sympy.sinh: mpmath.sinh,
    sympy.cosh: mpmath.cosh,
    sympy.tanh: mpmath.tanh,
    sympy.coth: mpmath.coth,
    sympy.sech: mpmath.sech,
    sympy.csch: mpmath.csch,
    sympy.asinh: mpmath.asinh,
    sympy.acosh: mpmath.acosh,
    sympy.atanh: mpmath.atanh,
    sympy.erf: mpmath.erf,
    sympy.Abs: mpmath.fabs,
    sympy.Max: max,
    sympy.Min: min,
    expm1: mpmath.expm1,
    log1p: mpmath.log1p,
    root_logarithms: in_many_digits,
}
"""The functions that a program calls."""

LARGEST_ROOT = 12
"""Up to here Newton's method takes a tenth of the time of a logarithm, in a thousand digits."""

CONSTANTS: dict[Basic, Callable[[], Any]] = {
    sympy.pi: lambda: +mpmath.mp.pi,
    sympy.E: lambda: +mpmath.mp.e,
    sympy.I: lambda: mpmath.mpc(0, 1),
    sympy.oo: lambda: mpmath.inf,
    -sympy.oo: lambda: -mpmath.inf,
    sympy.zoo: lambda: mpmath.nan,
    sympy.nan: lambda: mpmath.nan,
}


def can_write(expression: Expr) -> bool:
    """Whether an expression has no cases, and no functions but those of ``FUNCTIONS``."""
    calls = expression.atoms(Function, Piecewise, Derivative, Integral, NumberSymbol)
    return all(type(call) in FUNCTIONS or call in CONSTANTS for call in calls)


def program(expression: Expr, symbols: Sequence[Symbol]) -> Callable[..., Any]:
    """An expression that can be written as a function of ``symbols``."""
    writer = _Writer({symbol: f"x{k}" for k, symbol in enumerate(symbols)})
    value = writer.name(expression)
    arguments = ", ".join(writer.names[symbol] for symbol in symbols)
    body, names = [*writer.lines, f"return {value}"], dict(writer.globals)
    if writer.constants:
        known = "".join(f"c{k}, " for k in range(len(writer.constants)))
        exec(_function("constants", "", [*writer.constants, f"return {known}"]), names)
        names["known"] = _in_every_precision(names["constants"])
        body = [f"{known}= known()", *body]
    exec(_function("run", arguments, body), names)
    run: Callable[..., Any] = names["run"]
    return run


def _function(name: str, arguments: str, body: Sequence[str]) -> str:
    return "\n    ".join([f"def {name}({arguments}):", *body])


def _in_every_precision(constants: Callable[[], Any]) -> Callable[[], Any]:
    """The same, computed once in each precision."""
    held: dict[int, Any] = {}

    def known() -> Any:
        precision = mpmath.mp.prec
        if precision not in held:
            held[precision] = constants()
        return held[precision]

    return known


class _Writer:
    """The lines of a program, those that no symbol is in, and what stands for every part."""

    def __init__(self, names: Mapping[Basic, str]) -> None:
        self.names: dict[Basic, str] = dict(names)
        self.lines: list[str] = []
        self.constants: list[str] = []
        self.globals: dict[str, Any] = {
            "mpf": mpmath.mpf,
            "sqrt": mpmath.sqrt,
            "root": mpmath.root,
        }

    def name(self, part: Basic) -> str:
        """What the value of a part is called; its line is written when it is first asked for."""
        if part not in self.names:
            text = self.text(part)
            if not part.is_Integer:
                lines, letter = (self.lines, "v") if part.free_symbols else (self.constants, "c")
                lines.append(f"{letter}{len(lines)} = {text}")
                text = f"{letter}{len(lines) - 1}"
            self.names[part] = text
        return self.names[part]

    def text(self, part: Basic) -> str:
        """The operation of a part, its arguments by name."""
        if part.is_Integer:
            return f"({part})" if part < 0 else str(part)
        if part.is_Rational:
            return f"mpf({part.p}) / {part.q}"
        if part.is_Float:
            return self.known(part, mpmath.make_mpf(part._mpf_))
        if part in CONSTANTS:
            return f"{self.known(part, CONSTANTS[part])}()"
        if part.is_Add:
            return " + ".join(map(self.name, part.args))
        if part.is_Mul:
            return self.product(part)
        if part.is_Pow:
            return self.power(*part.args)
        if isinstance(part, UnevaluatedExpr):
            return self.name(part.args[0])
        arguments = ", ".join(map(self.name, part.args))
        if isinstance(part, Tuple):
            return f"[{arguments}]"
        return f"{self.known(type(part), FUNCTIONS[type(part)])}({arguments})"

    def product(self, part: Expr) -> str:
        """Factors, then one quotient."""
        number, factors = part.as_coeff_mul()
        if not number.is_Rational:
            number, factors = sympy.S.One, part.args
        above = [one for one in factors if not self.is_below(one)]
        below = [1 / one for one in factors if self.is_below(one)]
        above += [sympy.Integer(number.p)] if number.p != 1 else []
        below += [sympy.Integer(number.q)] if number.q != 1 else []
        text = " * ".join(map(self.name, above)) or "mpf(1)"
        return f"{text} / ({' * '.join(map(self.name, below))})" if below else text

    @staticmethod
    def is_below(factor: Expr) -> bool:
        """Whether a factor is written under the line: the power of something that varies."""
        return bool(factor.is_Pow and factor.exp.is_negative and factor.exp.is_Rational)

    def power(self, base: Expr, exponent: Expr) -> str:
        if exponent.is_Rational and exponent < 0:
            return f"mpf(1) / {self.name(base**-exponent)}"
        if exponent.is_Rational and exponent.q == 2:
            if exponent.p == 1:
                return f"sqrt({self.name(base)})"
            return f"{self.name(sympy.sqrt(base))}**{exponent.p}"
        if exponent.is_Rational and 2 < exponent.q <= LARGEST_ROOT:
            root = f"root({self.name(base)}, {exponent.q})"
            return root if exponent.p == 1 else f"{root}**{exponent.p}"
        return f"{self.name(base)}**{self.name(exponent)}"

    def known(self, key: Any, value: Any) -> str:
        """The name of a function or a number that the program reads."""
        name = f"k{len(self.globals)}"
        self.globals[name] = value
        return name
