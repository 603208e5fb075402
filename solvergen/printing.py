"""Expressions as numpy source code."""

from collections.abc import Mapping

from sympy import Expr, Float, N, Rational, Symbol
from sympy.printing.numpy import NumPyPrinter

from solvergen.symbols import (
    alpha,
    alpha_s,
    gamma,
    half_log_snr_symbol,
    s,
    sigma,
    sigma_s,
    t,
)

NAMES = {
    t: "t",
    s: "s",
    half_log_snr_symbol: "l",
    gamma: "gamma",
    alpha: "alpha_t",
    sigma: "sigma_t",
    alpha_s: "alpha_s",
    sigma_s: "sigma_s",
}


class HostPrinter(NumPyPrinter):
    """Prints for code that says ``import numpy as np``."""

    def __init__(self, names: Mapping[Symbol, str]) -> None:
        super().__init__({"fully_qualified_modules": True, "allow_unknown_functions": False})
        self.names = names

    def _module_format(self, fqn: str, register: bool = True) -> str:
        return "np." + fqn.removeprefix("numpy.").removeprefix("math.")

    def _print_Symbol(self, expr: Symbol) -> str:  # noqa: N802 - sympy looks it up
        return self.names.get(expr, expr.name)

    def _print_Pow(  # noqa: N802 - sympy looks it up
        self, expr: Expr, rational: bool = False, sqrt: str = "numpy.sqrt"
    ) -> str:
        """1 / b**n rather than b**(-n), which numpy refuses for integers."""
        base, exponent = expr.as_base_exp()
        if exponent.could_extract_minus_sign():
            inverse = self._print(base**-exponent)
            atomic = (base**-exponent).is_Atom or (base**-exponent).is_Function
            return f"1 / {inverse}" if atomic else f"1 / ({inverse})"
        return str(self._hprint_Pow(expr, rational=rational, sqrt=sqrt))

    def _print_Float(self, expr: Float) -> str:  # noqa: N802 - sympy looks it up
        return repr(float(expr))


def host_code(expression: Expr, parameters: tuple[tuple[Symbol, Rational], ...] = ()) -> str:
    """``expression`` in numpy; a parameter is the module constant of its name in capitals."""
    names = {**NAMES, **{symbol: constant_name(symbol) for symbol, _ in parameters}}
    return str(HostPrinter(names).doprint(expression))


def constant_name(parameter: Symbol) -> str:
    """beta_min -> BETA_MIN."""
    return parameter.name.upper()


def float_literal(value: Expr) -> str:
    """The float64 nearest to an exact number, as source."""
    return repr(float(N(value, 30)))
