"""Arithmetic as text: read with a white-list, made exact, and written so that it reads back.

The grammar is numbers, named symbols, ``+ - * / **``, unary signs, parentheses, the functions of
``FUNCTIONS`` and those that are registered, ``where(t < c, A, B)`` for A before c and B after, and
``interpolate(table, x)`` and ``slope(table, x)`` for the tables that come with the text. Nothing
is ever evaluated as Python: the text becomes a syntax tree, and a walk over the tree builds the
sympy expression or refuses.
"""

import ast
from collections.abc import Callable, Iterable

import sympy
from sympy import Expr, Float, Piecewise, Rational, Symbol
from sympy.codegen.cfunctions import expm1, log1p
from sympy.logic.boolalg import Boolean
from sympy.printing.str import StrPrinter

from solvergen.algebra.functions import REGISTRY
from solvergen.algebra.tables import Interpolate, Slope, Table
from solvergen.errors import ScheduleError
from solvergen.symbols import t

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

_COMPARISONS: dict[type[ast.cmpop], Callable[[Expr, Expr], Boolean]] = {
    ast.Lt: sympy.Lt,
    ast.LtE: sympy.Le,
    ast.Gt: sympy.Gt,
    ast.GtE: sympy.Ge,
}

_RECIPROCALS = {
    "cot": "tan",
    "sec": "cos",
    "csc": "sin",
    "coth": "tanh",
    "sech": "cosh",
    "csch": "sinh",
}

MAX_LENGTH = 2000
MAX_DEPTH = 60
MAX_BITS = 2048
MAX_EXPONENT = 100
MAX_DECIMAL_EXPONENT = 400

_OPERATORS: dict[type[ast.operator], Callable[[Expr, Expr], Expr]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}


def parse(text: str, names: Iterable[Symbol | Table] = ()) -> Expr:
    """The expression that ``text`` spells, in ``t`` and the symbols and tables ``names``.

    Decimal numbers are exact: ``0.1`` is 1/10. ``pi`` is the constant. Raises ScheduleError for
    anything outside the grammar, and for numbers or powers too large to be meant.
    """
    names = tuple(names)
    if len(text) > MAX_LENGTH:
        raise ScheduleError(
            f"expression too long: got {len(text)} characters, expected at most {MAX_LENGTH}"
        )
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ScheduleError(
            f"cannot read the expression {_shown(text)}: expected arithmetic such as '1 - t**2'"
        ) from error
    tables = {one.name: one for one in names if isinstance(one, Table)}
    symbols = {one.name: one for one in names if isinstance(one, Symbol)}
    reader = _Reader(text.strip(), {"t": t, "pi": sympy.pi} | symbols, tables)
    return reader.read(tree.body, 0)


class _Reader:
    """One walk over a syntax tree, bottom up."""

    def __init__(self, text: str, symbols: dict[str, Expr], tables: dict[str, Table]) -> None:
        self.text = text
        self.symbols = symbols
        self.tables = tables

    def read(self, node: ast.expr, depth: int) -> Expr:
        if depth > MAX_DEPTH:
            raise self.refusal(f"nested more than {MAX_DEPTH} levels deep", "a flatter formula")
        match node:
            case ast.Constant():
                value = self.number(node)
            case ast.Name(id=name):
                value = self.name(name)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                inner = self.read(operand, depth + 1)
                value = -inner if isinstance(node.op, ast.USub) else inner
            case ast.BinOp(op=ast.Pow(), left=left, right=right):
                value = self.power(self.read(left, depth + 1), self.read(right, depth + 1))
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _OPERATORS:
                operator = _OPERATORS[type(op)]
                value = operator(self.read(left, depth + 1), self.read(right, depth + 1))
            case ast.Call():
                value = self.call(node, depth)
            case _:
                raise self.refusal(f"got {self.source(node)!r}", "only + - * / **, names and calls")
        return self.bounded(value)

    def source(self, node: ast.expr) -> str:
        return (ast.get_source_segment(self.text, node) or type(node).__name__)[:60]

    def refusal(self, got: str, expected: str) -> ScheduleError:
        return ScheduleError(f"in the expression {_shown(self.text)}: {got}; expected {expected}")

    def number(self, node: ast.Constant) -> Expr:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise self.refusal(f"got {self.source(node)!r}", "a real number")
        if isinstance(node.value, int):
            return sympy.Integer(node.value)
        digits = self.source(node).replace("_", "").lower()
        exponent = digits.partition("e")[2] or "0"
        if abs(int(exponent[:8])) > MAX_DECIMAL_EXPONENT:
            raise self.refusal(f"got the number {digits}", "a number of ordinary size")
        return Rational(digits)

    def name(self, name: str) -> Expr:
        if name not in self.symbols:
            known = ", ".join(sorted(self.symbols))
            raise self.refusal(
                f"unknown name {name!r}", f"one of {known} (a parameter needs a value)"
            )
        return self.symbols[name]

    def power(self, base: Expr, exponent: Expr) -> Expr:
        if exponent.is_Rational and abs(exponent) > MAX_EXPONENT:
            raise self.refusal(f"got the power {exponent}", f"at most {MAX_EXPONENT}")
        return base**exponent

    def call(self, node: ast.Call, depth: int) -> Expr:
        name = node.func.id if isinstance(node.func, ast.Name) else self.source(node.func)
        known = FUNCTIONS | TABLE_FUNCTIONS | REGISTRY | {"where": sympy.Piecewise}
        if not isinstance(node.func, ast.Name) or name not in known:
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
        if any(max(n.p.bit_length(), n.q.bit_length()) > MAX_BITS for n in value.atoms(Rational)):
            raise self.refusal("a number in it is too large", f"at most {MAX_BITS} bits")
        return value


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


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


def exact(expression: Expr) -> Expr:
    """The same expression with every float replaced by the rational that its decimal text spells.

    A user's ``0.1 * t`` means t/10, not the nearest binary fraction.
    """
    floats = expression.atoms(Float)
    for number in floats:
        if not number.is_finite:
            raise ScheduleError(f"got the number {number} in {expression}; expected finite numbers")
    return flat(expression.xreplace({number: rational(float(number)) for number in floats}))


def rational(number: object) -> Rational:
    """A number as the exact rational that its shortest decimal text spells; ScheduleError if not
    finite.
    """
    try:
        value = Rational(str(number)) if isinstance(number, float) else Rational(number)
    except (TypeError, ValueError) as error:
        raise ScheduleError(f"got {number!r}; expected a finite real number") from error
    if not value.is_Rational:
        raise ScheduleError(f"got {number!r}; expected a finite real number")
    return value


class _TextPrinter(StrPrinter):
    """Text in the grammar of ``parse``."""

    def _print_Exp1(self, _: Expr) -> str:  # noqa: N802
        return "exp(1)"

    def _print_Function(self, call: Expr) -> str:  # noqa: N802
        name = call.func.__name__
        if name in _RECIPROCALS:
            return f"(1/{_RECIPROCALS[name]}({self._print(call.args[0])}))"
        if name not in FUNCTIONS and REGISTRY.get(name) is not call.func:
            raise ScheduleError(
                f"{call} cannot be written as text: expected only {', '.join(FUNCTIONS)}"
            )
        return f"{name}({', '.join(self._print(argument) for argument in call.args)})"

    def _print_Abs(self, call: Expr) -> str:  # noqa: N802
        return f"Abs({self._print(call.args[0])})"

    def _print_Interpolate(self, call: Expr) -> str:  # noqa: N802
        return f"interpolate({call.args[0].name}, {self._print(call.args[1])})"

    def _print_Slope(self, call: Expr) -> str:  # noqa: N802
        return f"slope({call.args[0].name}, {self._print(call.args[1])})"

    def _print_Piecewise(self, expression: Expr) -> str:  # noqa: N802
        *cases, (last, otherwise) = expression.args
        comparisons = (sympy.Lt, sympy.Le, sympy.Gt, sympy.Ge)
        if otherwise != True or not all(isinstance(test, comparisons) for _, test in cases):  # noqa: E712
            raise ScheduleError(
                f"{expression} cannot be written as text: expected cases by single comparisons, "
                "and a last one that holds otherwise"
            )
        text = self._print(last)
        for value, test in reversed(cases):
            condition = f"{self._print(test.lhs)} {test.rel_op} {self._print(test.rhs)}"
            text = f"where({condition}, {self._print(value)}, {text})"
        return text


def to_text(expression: Expr) -> str:
    """Text that ``parse`` reads back to an equal expression."""
    return str(_TextPrinter().doprint(expression))
