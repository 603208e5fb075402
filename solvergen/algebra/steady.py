"""numpy as it is on every processor: for what decides which text is written.

numpy's exp, log, sin and powers take the widest instructions that a processor has, and differ in
their last digits with them; so does the order in which ``@`` adds. ``NUMPY`` has them in the wider
floats of the platform, with 11 bits more on x86, rounded once, and adds the products of ``@`` one
after another. The four operations and the square root are those of IEEE 754 everywhere. Powers and
``@`` are operators: ``run`` and ``function`` take source in which these are calls.

Where a platform has no wider floats its own last digits decide.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

WIDENED = {
    *("exp", "expm1", "log", "log1p", "log2", "log10", "logaddexp", "power", "cbrt"),
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2"),
    *("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"),
}


class _Numpy:
    """numpy, with those functions in wider floats."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        found = _widened(found) if name in WIDENED else found
        setattr(self, name, found)
        return found

    @staticmethod
    def matmul(first: ArrayLike, second: ArrayLike) -> Any:
        """first @ second, its terms added in their order."""
        left, right = np.asarray(first), np.asarray(second)
        if right.ndim == 1:
            return NUMPY.matmul(left, right[:, None])[..., 0]
        return np.add.reduce(left[..., :, None] * right, axis=-2)


def _widened(function: Callable[..., Any]) -> Callable[..., Any]:
    def rounded(*arguments: ArrayLike) -> NDArray[np.float64]:
        if any(map(np.iscomplexobj, arguments)):
            return np.asarray(function(*arguments))
        wide = (np.asarray(one, dtype=np.longdouble) for one in arguments)
        return np.asarray(function(*wide)).astype(np.float64)[()]

    return rounded


NUMPY = _Numpy()
FUNCTIONS = {name: getattr(NUMPY, name) for name in WIDENED}
"""By their names, for code that says them alone."""


class _Calls(ast.NodeTransformer):
    """Powers and products of matrices as calls of np, which nothing imports."""

    NAMES: Mapping[type[ast.operator], str] = {ast.Pow: "power", ast.MatMult: "matmul"}

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        name = self.NAMES.get(type(node.op))
        if name is None:
            return node
        called = ast.Attribute(ast.Name("np", ast.Load()), name, ast.Load())
        return ast.copy_location(ast.Call(called, [node.left, node.right], []), node)

    def visit_Import(self, node: ast.Import) -> ast.Import | None:
        return None if [one.asname for one in node.names] == ["np"] else node


def run(source: str, names: dict[str, Any]) -> None:
    """Run the source of a module among these names, with ``NUMPY`` as its np."""
    names["np"] = NUMPY
    tree = ast.fix_missing_locations(_Calls().visit(ast.parse(source)))
    exec(compile(tree, "<steady>", "exec"), names)


def function(code: str, arguments: Sequence[str], names: Mapping[str, Any]) -> Callable[..., Any]:
    """A formula in numpy's spelling as a function of its arguments."""
    tree = ast.parse(f"lambda {', '.join(arguments)}: {code}", mode="eval")
    tree = ast.fix_missing_locations(_Calls().visit(tree))
    found: Callable[..., Any] = eval(compile(tree, "<steady>", "eval"), {**names, "np": NUMPY})
    return found
