"""The walk over the syntax tree of a formula, which builds the sympy expression or refuses."""

import ast
from collections.abc import Callable

import sympy
from sympy import Expr, Piecewise, Rational
from sympy.codegen.cfunctions import expm1, log1p
from sympy.logic.boolalg import Boolean

from solvergen import naming
from solvergen.algebra import size
from solvergen.algebra.functions import REGISTRY
from solvergen.algebra.tables import Interpolate, Slope, Table
from solvergen.errors import ScheduleError

FUNCTIONS: dict[str, Callable[..., Expr]] = {
    "sqrt": sympy.sqrt,
    "exp": sympy.exp,
    "log": sympy.log,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "asin": sympy.asin,
    "acos": sympy.acos,
    "atan": sympy.atan,
    "atan2": sympy.atan2,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "asinh": sympy.asinh,
    "acosh": sympy.acosh,
    "atanh": sympy.atanh,
    "erf": sympy.erf,
    "Abs": sympy.Abs,
    "expm1": expm1,
    "log1p": log1p,
}
"""The functions that text may call."""

TABLE_FUNCTIONS = {"interpolate": Interpolate, "slope": Slope}
"""The functions whose first argument is the name of a table."""

ALIASES = {
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "abs": "Abs",
    "fabs": "Abs",
    "absolute": "Abs",
}
"""What numpy and Python call some of them."""

PREFIXES = ("np", "numpy", "math")
"""Modules whose name may stand before a function or pi."""

_COMPARISONS: dict[type[ast.cmpop], Callable[[Expr, Expr], Boolean]] = {
    ast.Lt: sympy.Lt,
    ast.LtE: sympy.Le,
    ast.Gt: sympy.Gt,
    ast.GtE: sympy.Ge,
}

_OPERATORS: dict[type[ast.operator], Callable[[Expr, Expr], Expr]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}
_CHAINS = ((ast.Add, ast.Sub), (ast.Mult, ast.Div))
"""Operators of one precedence: a sum of many terms is flat, though its tree is not."""


class Reader:
    """One walk over a syntax tree, bottom up.

    Args:
        text: what the tree was read from, for messages and for the digits of numbers.
        symbols, tables: what names stand for.
    """

    def __init__(self, text: str, symbols: dict[str, Expr], tables: dict[str, Table]) -> None:
        self.text = text
        self.symbols = symbols
        self.tables = tables
        self.operations = 0

    def read(self, node: ast.expr, depth: int = 0) -> Expr:
        """The expression of a node.

        Raises:
            ScheduleError: it is outside the grammar or its bounds.
        """
        if depth > size.MAX_DEPTH:
            raise self.refusal(
                f"nested more than {size.MAX_DEPTH} levels deep", "a flatter formula"
            )
        match node:
            case ast.Constant():
                value = self.number(node)
            case ast.Name(id=name):
                value = self.name(name)
            case ast.Attribute(value=ast.Name(id=module), attr="pi") if module in PREFIXES:
                value = sympy.pi
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                inner = self.read(operand, depth + 1)
                value = -inner if isinstance(node.op, ast.USub) else inner
            case ast.BinOp(op=ast.Pow(), left=left, right=right):
                self.count()
                value = self.power(self.read(left, depth + 1), self.read(right, depth + 1))
            case ast.BinOp(op=op) if type(op) in _OPERATORS:
                value = self.chain(node, depth)
            case ast.Call():
                self.count()
                value = self.call(node, depth)
            case _:
                raise self.refusal(f"got {self.source(node)!r}", "only + - * / **, names and calls")
        return self.bounded(value)

    def source(self, node: ast.expr) -> str:
        return (self.whole_source(node) or type(node).__name__)[:60]

    def whole_source(self, node: ast.expr) -> str:
        return ast.get_source_segment(self.text, node) or ""

    def refusal(self, got: str, expected: str) -> ScheduleError:
        return ScheduleError(
            f"in the expression {naming.shown(self.text)}: {got}; expected {expected}"
        )

    def count(self) -> None:
        self.operations += 1
        if self.operations > size.MAX_OPERATIONS:
            raise self.refusal(
                f"it has more than {size.MAX_OPERATIONS} operations",
                f"at most {size.MAX_OPERATIONS}: write it shorter, or register a function",
            )

    def chain(self, node: ast.BinOp, depth: int) -> Expr:
        """A sum or a product, term by term from the left, however many there are."""
        kinds = next(kinds for kinds in _CHAINS if isinstance(node.op, kinds))
        terms: list[tuple[ast.operator, ast.expr]] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and isinstance(left.op, kinds):
            self.count()
            terms.append((left.op, left.right))
            left = left.left
        value = self.read(left, depth + 1)
        for op, right in reversed(terms):
            value = _OPERATORS[type(op)](value, self.read(right, depth + 1))
        return value

    def number(self, node: ast.Constant) -> Expr:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise self.refusal(f"got {self.source(node)!r}", "a real number")
        if isinstance(node.value, int):
            return sympy.Integer(node.value)
        digits = self.whole_source(node).replace("_", "").lower()
        mantissa, _, exponent = digits.partition("e")
        if abs(int(exponent or "0")) > size.MAX_LENGTH:
            raise self.refusal(f"got the number {digits[:60]}", "a number of ordinary size")
        return Rational(mantissa) * Rational(10) ** int(exponent or "0")

    def name(self, name: str) -> Expr:
        if name not in self.symbols:
            known = ", ".join(sorted(self.symbols))
            raise self.refusal(
                f"unknown name {name!r}", f"one of {known} (a parameter needs a value)"
            )
        return self.symbols[name]

    def power(self, base: Expr, exponent: Expr) -> Expr:
        if exponent.is_Rational and abs(exponent) > size.MAX_EXPONENT:
            raise self.refusal(f"got the power {exponent}", f"at most {size.MAX_EXPONENT}")
        return base**exponent

    def call(self, node: ast.Call, depth: int) -> Expr:
        name = self.function(node.func)
        known = FUNCTIONS | TABLE_FUNCTIONS | REGISTRY | {"where": sympy.Piecewise}
        if name not in known:
            raise self.refusal(
                f"call of {name!r}",
                f"one of {', '.join(known)} (or a function registered by register_function)",
            )
        count = {"atan2": 2, "where": 3, "interpolate": 2, "slope": 2}.get(name, 1)
        if node.keywords or len(node.args) != count:
            got = len(node.args) + len(node.keywords)
            raise self.refusal(f"{name} got {got} arguments", f"exactly {count}, by position")
        if name == "where":
            return self.where(*node.args, depth=depth)
        if name in TABLE_FUNCTIONS:
            argument = self.read(node.args[1], depth + 1)
            return TABLE_FUNCTIONS[name](self.table(node.args[0]), argument)
        return known[name](*(self.read(argument, depth + 1) for argument in node.args))

    def function(self, node: ast.expr) -> str:
        """The name of what is called, without ``np.`` or ``math.``."""
        match node:
            case ast.Name(id=name):
                return ALIASES.get(name, name) if name not in REGISTRY else name
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in PREFIXES:
                return ALIASES.get(name, name)
        return self.source(node)

    def table(self, node: ast.expr) -> Table:
        if not isinstance(node, ast.Name) or node.id not in self.tables:
            known = ", ".join(self.tables) or "no table: text alone cannot hold one"
            raise self.refusal(f"the table {self.source(node)!r}", known)
        return self.tables[node.id]

    def where(self, test: ast.expr, first: ast.expr, second: ast.expr, *, depth: int) -> Expr:
        if not isinstance(test, ast.Compare) or len(test.ops) != 1:
            raise self.refusal(
                f"the condition {self.source(test)!r}", "a comparison, as in t < 1/2"
            )
        comparison = _COMPARISONS.get(type(test.ops[0]))
        if comparison is None:
            raise self.refusal(f"the condition {self.source(test)!r}", "one of < <= > >=")
        sides = (self.read(test.left, depth + 1), self.read(test.comparators[0], depth + 1))
        branches = (self.read(first, depth + 1), self.read(second, depth + 1))
        return flat(sympy.Piecewise((branches[0], comparison(*sides)), (branches[1], True)))

    def bounded(self, value: Expr) -> Expr:
        if value.has(sympy.zoo, sympy.nan, sympy.oo, -sympy.oo):
            raise self.refusal(f"a part of it is {value}", "finite values (is it divided by zero?)")
        if found := size.excess(value):
            raise self.refusal(*found.split("; expected "))
        return value


def flat(expression: Expr) -> Expr:
    """The same with cases inside a last case put into one list, whose last case is ``otherwise``
    where the cases are all that there are.
    """

    def cases(e: Piecewise) -> Expr:
        *first, (last, test) = e.args
        if sympy.Or(*(condition for _, condition in e.args)) == True:  # noqa: E712
            test = sympy.true
        if test == True and isinstance(last, Piecewise):  # noqa: E712
            return Piecewise(*first, *last.args)
        return Piecewise(*first, (last, test))

    return expression.replace(lambda e: isinstance(e, Piecewise), cases)
