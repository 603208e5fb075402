"""The torch target: no sample, prediction or value with a gradient is ever written to.

So it is differentiable and safe under CUDA graphs. A pass says which arrays it reads and which of
them each of its combinations sums; ``_combine`` in ``templates/torch/passes.jinja`` does that in
the way that suits the tensors. On a GPU it is one launch of the pass's own Triton kernel, on a CPU
with numba, for large arrays, one loop; both are printed here too. Where nobody follows the tensors,
the value to keep is written over the oldest one, in the pass that reads that last.
"""

from dataclasses import dataclass

from solvergen.algebra.numpy_code import items_code, tuple_code
from solvergen.methods.scheme import CURRENT, Kind, Node
from solvergen.program.columns import Columns, Storage, is_copy
from solvergen.program.fusion import Array, Operand, Pass, Term
from solvergen.specification.solver import Solver
from solvergen.targets.numpy import settings
from solvergen.targets.passes import argument, formula, pass_name

OPTIONAL = (
    "",
    "try:",
    "    import numba",
    "    from llvmlite import ir",
    "except ImportError:",
    "    numba = None",
    "try:",
    "    import triton",
    "    import triton.language as tl",
    "except ImportError:",
    "    triton = None",
)
"""The last lines of the imports of every module with these passes: what makes them one pass."""
standard = (
    "import os",
    "import sys",
    "from concurrent.futures import ThreadPoolExecutor",
    "from functools import cache, wraps",
    "from itertools import pairwise",
)
requires = ("import torch", *OPTIONAL)
GPU_BLOCK = 1024
"""Elements of one program of a kernel; ``_launch`` in the template counts with it too."""
dtypes = "float16, bfloat16, float32 or float64"

__all__ = ["OPTIONAL", "dtypes", "function", "passes", "requires", "settings", "standard"]


def passes(solver: Solver) -> str:
    """The source of every pass, its kernel and its loop."""
    return "\n\n\n".join(
        function(solver, pass_name(phase.name, one), one)
        for phase, fused in zip(solver.program.all_phases, solver.passes, strict=True)
        for one in fused
    )


def function(solver: Solver, name: str, one: Pass, adaptive: bool = False) -> str:
    """The source of one pass, after those of its kernel and its loop."""
    history = solver.program.history
    reused = Storage.of(solver.passes, history).reuses_oldest and one.stage == 0
    oldest = Node(Kind.PAST, history) if reused and one.stored else None
    printer = _Printer(name, one, solver.program.corrects, oldest)
    return "\n\n\n".join((printer.kernel(), printer.loop(), printer.pass_function()))


@dataclass(frozen=True)
class _Printer:
    """Prints one pass under a name; if it reads ``oldest``, what it keeps is written over it."""

    name: str
    one: Pass
    corrects: bool
    oldest: Node | None

    @property
    def moves(self) -> bool:
        """Whether the sample becomes a combination, and not just the network's last input."""
        return bool(self.one.sample) and not is_copy(self.one.sample)

    @property
    def reads(self) -> tuple[Operand, ...]:
        """The arrays that are read, each once."""
        terms = (term for _, terms, _ in self.results for term in terms)
        return tuple(dict.fromkeys(term.operand for term in terms))

    @property
    def results(self) -> tuple[tuple[str, tuple[Term, ...], tuple[tuple[int, Term], ...]], ...]:
        """Name, terms and columns of every array that is written."""
        one, columns = self.one, Columns.of(self.one)
        found = (
            ("landing", one.landing, columns.landing),
            ("sample", one.sample if self.moves else (), columns.sample),
            ("error", one.error, columns.error),
            ("stored", one.stored, columns.stored),
        )
        return tuple(each for each in found if each[1])

    @property
    def overwritten(self) -> Node | None:
        """The value that what is kept is written over: the oldest one, if it is read."""
        return self.oldest if self.oldest in self.reads else None

    def pass_function(self) -> str:
        places = {operand: place for place, operand in enumerate(self.reads)}
        arguments = [f"{self.name}_kernel", f"{self.name}_loop", "c"]
        arguments.append(tuple_code([argument(operand) for operand in self.reads]))
        for _, terms, _ in self.results:
            read = [str(places[term.operand]) for term in terms]
            arguments.append(read[0] if is_copy(terms) else tuple_code(read))
        if self.overwritten is not None:
            arguments.append(f"over={places[self.overwritten]}")
        call = f"_combine({', '.join(arguments)})"
        return "\n".join(
            (
                f"def {self.name}(c, x, y, prediction, past, inner):",
                f'    """{formula(self.one)}."""',
                *(f"    {line}" for line in self._returned(call)),
            )
        )

    def _returned(self, call: str) -> tuple[str, ...]:
        stored = bool(self.one.stored)
        if not self.one.landing:
            return (f"return y, *{call}",)
        if not self.corrects:
            both = stored or bool(self.one.error)
            return (f"return {call}",) if both else (f"return *{call}, None",)
        names = items_code(text for text, _, _ in self.results)
        sample = "sample"
        if not self.moves:
            sample = argument(self.one.sample[0].operand if self.one.sample else Array.SAMPLE)
        return (
            f"{names} = {call}",
            f"return {sample}, landing, {'stored' if stored else 'None'}",
        )

    def kernel(self) -> str:
        """Loads every array once, in the dtype of c, and stores every result."""
        arrays = [_identifier(operand) for operand in self.reads]
        results = self.results
        names = ", ".join(["c", *arrays, *(text for text, _, _ in results)])
        return "\n".join(
            (
                "@_kernel",
                f"def {self.name}_kernel({names}, size):",
                f"    i = tl.program_id(0).to(tl.int64) * {GPU_BLOCK} + tl.arange(0, {GPU_BLOCK})",
                "    inside = i < size",
                self._factors("tl.load(c + {})"),
                *(
                    f"    {one}_i = tl.load({one} + i, mask=inside).to(c.dtype.element_ty)"
                    for one in arrays
                ),
                *(
                    f"    tl.store({text} + i, {_total(terms, columns)}, mask=inside)"
                    for text, terms, columns in results
                ),
            )
        )

    def loop(self) -> str:
        """Reads every array, then writes: the oldest value is one variable, as read and as written,
        so that the compiler sees that no element is read after it was written.

        A processor reads a line of memory before it writes into it, one array of traffic more for
        every new result, unless it writes whole lines past its caches. A row of such a result is
        computed into a tile that stays in the first cache, and then written so. The width of a
        row is an argument: compilers unroll loops whose length they know, into slower ones here.
        """
        arrays = [_identifier(operand) for operand in self.reads]
        written = [text for text, _, _ in self.results]
        if self.overwritten is not None:
            written[-1] = _identifier(self.overwritten)
        fresh = [one for one in written if one not in arrays]
        places = {name: f"{name}_tile[i]" for name in fresh}
        return "\n".join(
            (
                "@_loop",
                f"def {self.name}_loop({', '.join(['c', *arrays, *fresh])}):",
                self._factors("c[{}]"),
                f"    rows, width = {arrays[0]}.shape",
                *(f"    {one}_tile = np.empty(width, {one}.dtype)" for one in fresh),
                "    for n in range(rows):",
                "        for i in range(width):",
                *(f"            {one}_i = _widen({one}[n, i])" for one in arrays),
                *(
                    f"            {places.get(name, f'{name}[n, i]')} = "
                    f"_narrow({_total(terms, columns)}, {name})"
                    for name, (_, terms, columns) in zip(written, self.results, strict=True)
                ),
                f"        for i in range(0, width, _LINE // {fresh[0]}.itemsize):",
                *(f"            _stream({one}, n, i, {one}_tile)" for one in fresh),
            )
        )

    def _factors(self, read: str) -> str:
        """The statement that names the factors of arrays; ``read`` reads a column of the row."""
        used = [column for column, _ in Columns.of(self.one).all]
        names = ", ".join(f"c_{column}" for column in used)
        return f"    {names} = {', '.join(map(read.format, used))}"


def _total(terms: tuple[Term, ...], columns: tuple[tuple[int, Term], ...]) -> str:
    if is_copy(terms):
        return f"{_identifier(terms[0].operand)}_i"
    return " + ".join(f"c_{column} * {_identifier(term.operand)}_i" for column, term in columns)


def _identifier(operand: Operand) -> str:
    """What a kernel calls an array."""
    if isinstance(operand, Array):
        return operand.value
    if operand.kind is Kind.STAGE:
        return f"stage_{operand.index}"
    return f"n_{0 if operand == CURRENT else operand.index}"
