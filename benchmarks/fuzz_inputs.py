"""What ``fuzz.py`` hands over, area by area, and how the answers are checked."""

import io
import json
import math
import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import solvergen as sg
from solvergen.algebra.evaluation import evaluate_mp
from solvergen.algebra.expressions import parse, rational, to_text
from solvergen.algebra.tables import read_column
from solvergen.compiler import load_text
from solvergen.program import lowering, order
from solvergen.specification import schemes
from solvergen.symbols import t
from solvergen.targets import rendering
from solvergen.targets.files import write_text

POINT = 0.37
NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["t", "1", "1-t", "noise", "__import__('os')", "1e999999999", "9" * 400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)  # fmt: skip
"""Any JSON, and its NaN."""


def words(text: str) -> list[str]:
    return text.split()


class WrongAnswerError(Exception):
    """An answer that is not the right one."""


@dataclass(frozen=True)
class Area:
    """A kind of input.

    Attributes:
        name: in the table.
        what: what the inputs are, for a reader.
        inputs: how they are made.
        answer: hands one over; raises a SolvergenError, or WrongAnswerError, or returns.
    """

    name: str
    what: str
    inputs: st.SearchStrategy[Any]
    answer: Callable[[Any], None]


def same(found: float, expected: float) -> None:
    if not math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12):
        raise WrongAnswerError(f"got {found}, expected {expected}")


# Formulas: random trees beside their values in Python's floats, and random text.

FUNCTIONS = {
    "exp": math.exp, "sin": math.sin, "cos": math.cos, "atan": math.atan, "tanh": math.tanh,
    "np.exp": math.exp, "math.sin": math.sin, "np.arctan": math.atan, "abs": abs,
}  # fmt: skip


def trees() -> st.SearchStrategy[tuple[str, float]]:
    """(text, its value at t = POINT)."""
    numbers = st.integers(0, 9).map(lambda n: (str(n), float(n)))
    decimals = st.integers(1, 999).map(lambda n: (f"{n / 1000}", n / 1000))

    def combined(pair: tuple[Any, Any, str]) -> tuple[str, float]:
        (a, x), (b, y), sign = pair
        value = {"+": x + y, "-": x - y, "*": x * y}[sign]
        return f"({a} {sign} {b})", value

    def grown(inner: st.SearchStrategy[tuple[str, float]]) -> st.SearchStrategy[tuple[str, float]]:
        calls = st.tuples(st.sampled_from(sorted(FUNCTIONS)), inner).filter(
            lambda one: abs(one[1][1]) < 20
        )
        powers = st.tuples(inner, st.sampled_from([("^2", 2), ("**3", 3), ("^0.5", 0.5)]))
        return (
            st.tuples(inner, inner, st.sampled_from("+-*")).map(combined)
            | calls.map(lambda one: (f"{one[0]}({one[1][0]})", FUNCTIONS[one[0]](one[1][1])))
            | powers.filter(lambda one: 1e-9 < one[0][1] < 1e3).map(
                lambda one: (f"({one[0][0]}){one[1][0]}", one[0][1] ** one[1][1])
            )
        )

    return st.recursive(numbers | decimals | st.just(("t", POINT)), grown, max_leaves=12)


def answer_formula(given: tuple[str, float]) -> None:
    text, expected = given
    found = parse(text)
    same(float(evaluate_mp(found, t, POINT)), expected)
    same(float(evaluate_mp(parse(to_text(found)), t, POINT)), expected)


TOKENS = st.sampled_from(["\\", "\n", "\x00", "\ud800"]) | st.sampled_from(
    words(
        r"""
        t pi 1 0 2 0.5 1e9 1e-400 9999999999 + - * / ** ^ ( ) , < > = . exp sqrt log erf where
        asin interpolate lambda alpha __import__ ' " # [ ] { } : ; @ _ µ ϕ ² 1_0 0x1f 1j np.
        math.pi import os 97/89 100 **100 t**t 1/0 -1 abs tan cosh
        """
    )
)
TEXT = st.lists(TOKENS, max_size=14).map("".join) | st.text(max_size=30)


def answer_text(text: str) -> None:
    found = parse(text)
    again = parse(to_text(found))
    one, two = (evaluate_mp(each, t, POINT) for each in (found, again))
    if abs(complex(one) - complex(two)) > 1e-9 * (1 + abs(complex(one))):
        raise WrongAnswerError(f"{found} reads back as {again}")


def answer_number(text: str) -> None:
    if rational(text) != rational(Fraction(text)):
        raise WrongAnswerError(f"{text} is read as {rational(text)}")


NUMBERS = st.from_regex(r"[0-9]{0,80}\.[0-9]{1,80}(e-?[0-9]{1,3})?", fullmatch=True)

# Names: of parameters, functions in the module's name, and schedules.

OWN = words(
    r"""
        k K history stages spec SPEC ORDER T_MIN t_min tolerance TOLERANCE width timesteps np
        sum len zip l u v s gamma alpha lambda class _passes _moments x h beta_min µ ϕ ß ﬁ n N T
        tol
        """
)
NAMES = st.lists(st.sampled_from(OWN) | st.text(min_size=1, max_size=6), min_size=1, max_size=3)


def answer_names(names: list[str]) -> None:
    values = {name: n + 1 for n, name in enumerate(names)}
    symbols = [sg.NoiseSchedule("1-t", "t", parameters=values).parameters[n][0]
               for n in range(len(values))]  # fmt: skip
    sigma = sum((symbol * t ** (n + 1) for n, symbol in enumerate(symbols)), 0 * t)
    schedule = sg.NoiseSchedule(1 - t / 2, sigma, parameters=values)
    module = load_text(rendering.render(sg.Solver(schedule), "numpy", ""), "fuzzed")
    expected = sum(value * POINT ** (n + 1) for n, value in enumerate(values.values()))
    same(float(module.sigma(POINT)), expected)


def answer_label(name: str) -> None:
    schedule = sg.NoiseSchedule("1-t", "t", name=name)
    source = rendering.render(sg.Solver(schedule, "flow", "flow", "time"), "numpy", "")
    module = load_text(source, "fuzzed")
    if module.SPEC["schedule"]["name"] != name or name not in module.__doc__.split("\n")[0]:
        raise WrongAnswerError(f"the name {name!r} became {module.SPEC['schedule']['name']!r}")


LABELS = st.text(max_size=20) | st.lists(
    st.sampled_from(['"""', "'", "\\", "\n", "print(1)", ";", "{{", "}}", "x", "C:\\new", "\0"]),
    min_size=1, max_size=5,
).map("".join)  # fmt: skip

# SPEC: a right one with some of its fields replaced by any JSON.

SPECS = [
    sg.Solver(schedule, prediction, integrand, expansion, scheme).specification
    for schedule, prediction, integrand, expansion, scheme in (
        ("rectified_flow", "flow", "flow", "time", "multistep:2"),
        ("vp_linear", "noise", "data", "half_log_snr", "unipc:2:bh2"),
        (sg.schedules.tabulated(betas=[0.1, 0.2, 0.3]), "noise", "data", "t**2", "1:{0: 1}"),
    )
]
FIELDS = [*SPECS[0], *(f"schedule/{name}" for name in (*SPECS[0]["schedule"], "tables"))]
CHANGES = st.tuples(
    st.sampled_from(SPECS),
    st.dictionaries(st.sampled_from(FIELDS), NESTED, max_size=3),
    st.sampled_from(FIELDS) | st.none(),
)


def answer_spec(given: tuple[dict[str, Any], dict[str, Any], str | None]) -> None:
    right, changes, dropped = given
    spec = json.loads(json.dumps(right))
    for path, value in changes.items():
        inner = spec.get("schedule")
        (inner if "/" in path and isinstance(inner, dict) else spec)[path.split("/")[-1]] = value
    if dropped is not None:
        spec.pop(dropped, None)
    solver = sg.from_specification(spec)
    if sg.from_specification(json.loads(json.dumps(solver.specification))) != solver:
        raise WrongAnswerError("the specification reads back as another solver")


# Schemes: pieces of their text in any order, and right ones with a character changed.

PIECES = st.sampled_from(
    words(
        r"""
        1:{0} 1/2:{0}; 1:{0,s1} 1:{0,-1} | || ? ; => => 3 :{0} {0: 1/4, s1: 3/4} 1/0: ... s1 s99
        -1 ~classical ~frozen ~scaled(,,) ~scaled(1,1/2) repeat(e+e,3) repeat(1e-6,9) mu1
        1+mu1@3 0<-1 multistep: 2 3 1000 :ramp singlestep:2 :1e99999999 :0.3 adams_moulton:3
        :5000 :tol=1e-6 unipc:2 :bh2 pece: rk4 :embedded heun general_linear:3 :2 { } , : ٣
        1<s1:{0}
        """
    )
)
RIGHT = (
    "1/2:{0}; 1:{0,s1}",
    "1:{0} | 1:{0: 3/2, -1: -1/2}",
    "multistep:3:ramp",
    "unipc:2:bh2",
    "1:{0}; 1:{s1,0}; repeat(1e-06,9)",
    "1:{0}; 1:{0,s1} ? 1:{0}; 1:{0,s1}; 1:{0}",
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = list(draw(st.sampled_from(RIGHT)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text) - 1))
        text[place] = draw(st.sampled_from("0123456789{}:;,|<~@-+*/.e s()=?") | st.just(""))
    return "".join(text)


def answer_scheme(text: str) -> None:
    scheme = schemes.get(text)
    if schemes.get(schemes.to_text(scheme)) != scheme:
        raise WrongAnswerError(f"reads back as {schemes.to_text(scheme)}")
    order.report(lowering.lower(scheme), same_clock=False, no_linear_part=False)


# Tables: files of any bytes, and of right ones.


def table_bytes(values: list[float]) -> list[bytes]:
    text = "\n".join(map(repr, values))
    array, archive, zipped = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(array, np.array(values))
    np.savez(archive, np.array(values))
    with zipfile.ZipFile(zipped, "w") as inside:
        inside.writestr("betas.txt", text)
    strange = io.BytesIO()
    np.save(strange, np.array(values) * 1j)
    return [
        text.encode(), b"\xef\xbb\xbf" + text.encode(), f"# betas\n{text} # end".encode(),
        array.getvalue(), archive.getvalue(), zipped.getvalue(), strange.getvalue(),
        array.getvalue()[:-7], text.encode("utf-16"),
    ]  # fmt: skip


TABLES = st.tuples(
    st.lists(st.floats(0.001, 0.5), min_size=2, max_size=6).flatmap(
        lambda values: st.sampled_from(table_bytes(values))
    )
    | st.binary(max_size=60)
    | st.lists(st.floats(), max_size=5).map(lambda values: repr(values)[1:-1].encode()),
    st.sampled_from(["betas.txt", "betas.npy", "betas"]),
)


def answer_table(given: tuple[bytes, str]) -> None:
    content, name = given
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        column = read_column(path)
        schedule = sg.schedules.tabulated(betas=column)
    same(float(evaluate_mp(schedule.alpha, t, 1)), float(np.sqrt(np.prod(1 - column))))


# Schedules: random formulas as alpha and sigma, to a solver and its order.

SCHEDULES = st.tuples(
    trees().map(lambda one: one[0]), trees().map(lambda one: one[0]), st.booleans()
)
CHOICES = st.sampled_from(["noise", "data", "flow", "velocity", "score", "straight", "rate(t)"])


def answer_schedule(given: tuple[str, str, bool]) -> None:
    a, b, decreasing = given
    alpha = f"exp(-t*({a})^2)" if decreasing else a
    sigma = f"t*(1+({b})^2)" if decreasing else b
    schedule = sg.NoiseSchedule(alpha, sigma, domain=("0.1", "0.9"))
    same(float(evaluate_mp(schedule.alpha, t, POINT)), float(evaluate_mp(parse(alpha), t, POINT)))
    if sg.Solver(schedule, "noise", "data", "time", "multistep:2").order != 2:
        raise WrongAnswerError("multistep:2 has not order 2")


# Files: whatever lies at a path before a module is written there.

STATES = st.sampled_from(
    words("absent ours theirs quotes folder link dangling loop pipe long null nowhere empty")
)


def answer_file(given: tuple[str, bool]) -> None:
    state, force = given
    source = rendering.render(sg.Solver("ve"), "numpy", "")
    with tempfile.TemporaryDirectory() as folder:
        path, kept = prepared(Path(folder), state, source)
        try:
            write_text(source, path, force)
        except sg.SolvergenError:
            if kept is not None and kept.read_text() != "mine":
                raise WrongAnswerError("a file of somebody else changed") from None
            raise
        finally:
            if left := list(Path(folder).rglob(".solvergen*")):
                raise WrongAnswerError(f"left over: {left}")
        if path.read_text() != source or (kept is not None and not force):
            raise WrongAnswerError("written, though it is not ours")


def prepared(folder: Path, state: str, source: str) -> tuple[Path, Path | None]:
    """The path to write to, and a file that has to stay unless forced."""
    path = folder / "x.py"
    quoting = f'"""A note.\n\n{source[source.index("Generated by") :][:90]}\n"""\n'
    texts = {"ours": source, "theirs": "mine", "quotes": quoting, "empty": ""}
    if state in texts:
        path.write_text(texts[state])
    elif state == "folder":
        path.mkdir()
    elif state == "pipe":
        os.mkfifo(path)
    elif state in ("link", "dangling", "loop"):
        aim = path if state == "loop" else folder / "aim.py"
        path.symlink_to(aim)
        if state == "link":
            aim.write_text("mine")
            return path, aim
    elif state == "long":
        path = folder / ("x" * 300)
    elif state == "null":
        path = folder / "x\0y"
    elif state == "nowhere":
        path = folder / "none" / "x.py"
    return path, path if state == "theirs" else None


AREAS = (
    Area("formulas", "arithmetic with its value computed beside it", trees(), answer_formula),
    Area("text as a formula", "tokens and characters in any order", TEXT, answer_text),
    Area("numbers", "decimals of up to 160 digits", NUMBERS, answer_number),
    Area("names of parameters", "the module's own names, keywords, any text", NAMES, answer_names),
    Area("names of schedules", "quotes, escapes, code, any text", LABELS, answer_label),
    Area("SPEC", "right ones with fields replaced by any JSON", CHANGES, answer_spec),
    Area("scheme text", "pieces in any order", st.lists(PIECES, max_size=7).map("".join),
         answer_scheme),
    Area("scheme text, mutated", "right ones with characters changed", mutated(), answer_scheme),
    Area("tables", "text, arrays, archives, cut files, any bytes", TABLES, answer_table),
    Area("schedules", "random formulas to a solver and its order", SCHEDULES, answer_schedule),
    Area("files", "what lies at the path before", st.tuples(STATES, st.booleans()), answer_file),
)  # fmt: skip
