"""Expressions as numpy source code."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from sympy import (
    Add,
    Basic,
    Dummy,
    Expr,
    Float,
    Function,
    N,
    Piecewise,
    Pow,
    Rational,
    Symbol,
    preorder_traversal,
)
from sympy.printing.numpy import NumPyPrinter

from solvergen.algebra import namespace, precision
from solvergen.algebra.collection import by_powers
from solvergen.algebra.functions import Registered
from solvergen.algebra.tables import Table
from solvergen.symbols import (
    alpha,
    alpha_dot,
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
    alpha_dot: "alpha_dot",
}

NUMBERS = {"np.pi", "np.e", "np.euler_gamma", "np.inf", "np.nan"}
"""Constants of numpy, which are floats."""

ERF = "_erf"
"""The error function, which numpy has not: a definition of the module."""

VARIABLES = {t, half_log_snr_symbol, gamma}


class HostPrinter(NumPyPrinter):
    """Prints for code that says ``import numpy as np``."""

    where, interp = "np.where", "np.interp"

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

    def _print_Piecewise(self, expr: Piecewise) -> str:  # noqa: N802 - sympy looks it up
        """np.where(t < c, A, B), nested for more cases."""
        text = self._print(expr.args[-1].expr)
        for value, condition in reversed(expr.args[:-1]):
            test = " ".join(
                (self._print(condition.lhs), condition.rel_op, self._print(condition.rhs))
            )
            text = f"{self.where}({test}, {self._print(value)}, {text})"
        return text

    def _print_Min(self, expr: Expr) -> str:  # noqa: N802 - sympy looks it up
        return self._nested("numpy.minimum", expr)

    def _print_Max(self, expr: Expr) -> str:  # noqa: N802 - sympy looks it up
        return self._nested("numpy.maximum", expr)

    def _nested(self, function: str, expr: Expr) -> str:
        first, *others = map(self._print, expr.args)
        for one in others:
            first = f"{self._module_format(function)}({first}, {one})"
        return first

    def _print_Interpolate(self, expr: Expr) -> str:  # noqa: N802 - sympy looks it up
        table, argument = expr.args
        return f"{self.interp}({self._print(argument)}, {', '.join(column_names(table))})"

    def _print_Slope(self, expr: Expr) -> str:  # noqa: N802 - sympy looks it up
        table, argument = expr.args
        return f"_slope({self._print(argument)}, {', '.join(column_names(table))})"

    def _print_Rise(self, expr: Expr) -> str:  # noqa: N802 - sympy looks it up
        table, *times = expr.args
        return f"_rise({', '.join(map(self._print, times))}, {', '.join(column_names(table))})"

    def _print_Function(self, expr: Expr) -> str:  # noqa: N802 - sympy looks it up
        if isinstance(expr, Registered):
            return f"{expr.definition.name}({self._print(expr.args[0])})"
        return str(super()._print_Function(expr))

    def _print_erf(self, expr: Expr) -> str:
        return f"{ERF}({self._print(expr.args[0])})"

    def _print_Float(self, expr: Float) -> str:  # noqa: N802 - sympy looks it up
        return repr(float(expr))


class LibraryPrinter(HostPrinter):
    """Prints for code in which ``xp`` is the library of the arrays, and numpy that of constants.

    Of constants it makes floats, which leave an array its dtype.
    """

    where, interp = "xp.where", "_interp"

    def __init__(self, names: Mapping[Symbol, str], constants: Iterable[Symbol]) -> None:
        super().__init__(names)
        self.constants = set(constants)
        self.host = HostPrinter(names)

    def _module_format(self, fqn: str, register: bool = True) -> str:
        text = super()._module_format(fqn, register)
        return text if text in NUMBERS else f"xp.{text.removeprefix('np.')}"

    def of_constants(self, expr: Expr) -> bool:
        """Whether nothing in it varies."""
        return expr.free_symbols <= self.constants

    def _print_Pow(  # noqa: N802 - sympy looks it up
        self, expr: Expr, rational: bool = False, sqrt: str = "numpy.sqrt"
    ) -> str:
        if self.of_constants(expr) and not expr.exp.is_Integer:
            return f"float({self.host.doprint(expr)})"
        return super()._print_Pow(expr, rational, sqrt)


def _following(name: str) -> Callable[[LibraryPrinter, Expr], str]:
    """How a function is printed in ``LibraryPrinter``."""

    def printed(self: LibraryPrinter, expr: Expr) -> str:
        if self.of_constants(expr):
            return f"float({self.host.doprint(expr)})"
        return str(getattr(HostPrinter, name)(self, expr))

    return printed


for _name in HostPrinter({}).known_functions:
    setattr(LibraryPrinter, f"_print_{_name}", _following(f"_print_{_name}"))


@lru_cache(maxsize=8192)
def host_code(
    expression: Expr,
    parameters: tuple[tuple[Symbol, Rational], ...] = (),
    follows_arrays: bool = False,
) -> str:
    """``expression`` in numpy; a parameter is the module constant of its name in capitals.

    With ``follows_arrays`` it is in ``xp``, the library of its arrays.
    """
    constants = {symbol: constant_name(symbol) for symbol, _ in parameters}
    names = {**NAMES, **constants}
    printer = LibraryPrinter(names, constants) if follows_arrays else HostPrinter(names)
    return str(printer.doprint(expression))


def items_code(items: Iterable[str]) -> str:
    """A tuple of these expressions, without parentheses."""
    shown = list(items)
    return ", ".join(shown) + ("," if len(shown) == 1 else "")


def tuple_code(items: Iterable[str]) -> str:
    """A tuple of these expressions."""
    return f"({items_code(items)})"


def shared(
    forms: Sequence[Expr], is_long: Callable[[Expr], bool] = lambda form: False
) -> tuple[list[tuple[Symbol, Expr]], list[Expr]]:
    """Functions, roots and sums that occur more than once, each as a symbol of its own.

    Args:
        forms: what is computed.
        is_long: says which of them need names for the arguments of functions in them too.

    Returns:
        (symbol, expression) in the order of evaluation, and the forms in these symbols.
    """
    found, left = by_powers(forms, VARIABLES)
    varying = {*VARIABLES, *(symbol for symbol, _ in found)}
    while True:
        every = (*left, *(form for _, form in found))
        parts = (node for form in every for node in preorder_traversal(form))
        counts = Counter(node for node in parts if _is_costly(node, varying))
        repeated = [node for node, count in counts.items() if count > 1]
        repeated = repeated or _arguments([one for one in every if is_long(one)], {*varying, s})
        if not repeated:
            return _named(_in_order(found[::-1]), left)
        largest = max(repeated, key=lambda node: (node.count_ops(), str(node)))
        symbol = Dummy()
        varying.add(symbol)
        found = [(name, form.xreplace({largest: symbol})) for name, form in found]
        left = [form.xreplace({largest: symbol}) for form in left]
        found.append((symbol, largest))


def _arguments(forms: Sequence[Expr], varying: set[Symbol]) -> list[Expr]:
    """The arguments of functions that hold no functions, and are neither symbols nor short."""
    calls = (node for form in forms for node in preorder_traversal(form))
    nodes = (node.args[0] for node in calls if isinstance(node, Function) and len(node.args) == 1)
    return [
        one
        for one in nodes
        if one.count_ops() > 2 and one.free_symbols & varying and not one.has(Function)
    ]


def _in_order(found: list[tuple[Symbol, Expr]]) -> list[tuple[Symbol, Expr]]:
    """The parts such that each one only reads those before it."""
    waiting, ordered = list(found), []
    while waiting:
        names = {name for name, _ in waiting}
        ready = next(one for one in waiting if not one[1].free_symbols & names)
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def _named(
    found: list[tuple[Symbol, Expr]], left: list[Expr]
) -> tuple[list[tuple[Symbol, Expr]], list[Expr]]:
    """u, v, w, .. in the order of evaluation."""
    names = itertools.chain(("u", "v", "w"), (f"u_{k}" for k in itertools.count(1)))
    symbols = {old: Symbol(name) for (old, _), name in zip(found, names, strict=False)}
    renamed = [(symbols[old], form.xreplace(symbols)) for old, form in found]
    return renamed, [form.xreplace(symbols) for form in left]


def _is_costly(node: Basic, varying: set[Symbol]) -> bool:
    """Whether a node is a sum, calls a function or takes a root, and varies."""
    is_root = isinstance(node, Pow) and not node.exp.is_Integer
    return (isinstance(node, Function | Add) or is_root) and bool(node.free_symbols & varying)


def constant_name(parameter: Symbol) -> str:
    """beta_min -> BETA_MIN."""
    return namespace.constant(parameter.name)


def column_names(table: Table) -> tuple[str, str]:
    """The expressions for the columns of a table; an inverted one reads those of its original."""
    name = namespace.constant(table.name.removesuffix("_inverse"), "_T")
    if not table.is_inverted:
        return f"{name}_T", name
    order = "" if table.y[0] < table.y[-1] else "[::-1]"
    return f"{name}{order}", f"{name}_T{order}"


def float_literal(value: Expr) -> str:
    """The float64 nearest to an exact number, as source."""
    return repr(float(N(value, precision.LITERAL)))
