"""The text of a scheme's structure: what a SPEC carries for a scheme without a name.

Phases are joined by ``|``, the main one last, the closing ones follow after ``||`` in the order
in which they are run, and the landings of a phase are joined by ``;``. What an adaptive step runs
follows after ``?``, its last landing is that of the estimate:

    position:{nodes}          1:{0,-1}                 interpolation; nodes 0, -1, .., s1, s2, ..
    position<base:{nodes}     1<s1:{0,s3}              from an inner stage
    0<-1:{nodes}              0<-1:{0,-1}              a correction: the first landing of a phase
    {node: row, ..}           {0: 1/6, s1: 5/6}        constant weights
                              {0: 1-2*mu1, s1: 2*mu1}  weights linear in the moments, mu1@3 being
                                                       those of the interval of stage 3
    {..}~classical  {..}~frozen  {..}~scaled(1,1,1/2)  other moments (solvergen.rule)
    repeat(tolerance,limit)   repeat(1e-06,20)         after the last landing: its iteration
"""

import re

from solvergen.errors import SchemeError
from solvergen.methods.bounds import MAX_LENGTH, MAX_POWER, fraction, require
from solvergen.methods.rule import Moments, Monomial, Row, Rule
from solvergen.methods.scheme import (
    CURRENT,
    Iteration,
    Kind,
    Node,
    Phase,
    Scheme,
    Stage,
    past,
    stage,
)
from solvergen.naming import shown

_LANDING = re.compile(
    r"(?P<position>[0-9/.]+)(<(?P<base>-1|s[0-9]{1,3}))?:\{(?P<nodes>[^{}]+)\}"
    r"(~(?P<moments>classical|frozen))?(~scaled\((?P<scale>[0-9/,]+)\))?"
)
_ITERATION = re.compile(
    r"repeat\(([0-9]{1,20}(?:\.[0-9]{0,20})?(?:e[+-]?[0-9]{1,3})?),([0-9]{1,9})\)"
)
_NODE = re.compile(r"0|-[0-9]{1,3}|s[0-9]{1,3}")
_MONOMIAL = re.compile(r"([+-]?)(?:([0-9]+(?:/[0-9]+)?)\*?)?(?:mu([0-9]{1,3})(?:@([0-9]{1,3}))?)?")


def write(scheme: Scheme) -> str:
    """The structure of a scheme."""
    text = " | ".join(map(_written, scheme.phases))
    if scheme.closing:
        text += " || " + " | ".join(map(_written, scheme.closing[::-1]))
    return text + (f" ? {_written(scheme.pair)}" if scheme.pair else "")


def _written(phase: Phase) -> str:
    return phase.text.replace(", ", ",")


def read(text: str) -> Scheme:
    """The scheme with this structure.

    Raises:
        SchemeError: the text is not one, or the scheme is wrong.
    """
    require("the length of the text", len(text), MAX_LENGTH)
    steps, adaptive, pair = text.partition("?")
    before, separator, after = steps.partition("||")
    *startup, main = before.split("|")
    closing = after.split("|")[::-1] if separator else []
    return Scheme(
        "custom",
        _phase("main", main),
        tuple(_phase(f"start_{n}", one) for n, one in enumerate(startup)),
        closing=tuple(_phase(f"last_{m}", one) for m, one in enumerate(closing)),
        pair=_pair(pair) if adaptive else None,
    )


def _phase(name: str, text: str) -> Phase:
    parts = text.split(";")
    found = _ITERATION.fullmatch(re.sub(r"\s", "", parts[-1]))
    iteration = Iteration(float(found[1]), int(found[2])) if found else None
    if not found and "repeat" in parts[-1]:
        raise SchemeError(
            f"{shown(parts[-1].strip())}: expected repeat(TOLERANCE,LIMIT), as repeat(1e-06,20)"
        )
    landings = tuple(map(_landing, parts[:-1] if found else parts))
    if landings and landings[0].base.kind is Kind.PAST:
        return Phase(name, landings[1:], landings[0], iteration=iteration)
    return Phase(name, landings, iteration=iteration)


def _pair(text: str) -> Phase:
    *stages, estimate = map(_landing, text.split(";"))
    return Phase("pair", tuple(stages), estimate=estimate)


def _landing(text: str) -> Stage:
    found = _LANDING.fullmatch(re.sub(r"\s", "", text))
    if found is None:
        raise _unreadable(text)
    nodes, rows = [], []
    for one in found["nodes"].split(","):
        node, separator, row = one.partition(":")
        if not _NODE.fullmatch(node) or bool(separator) != bool(row):
            raise _unreadable(text)
        nodes.append(_node(node))
        rows += [_row(row, text)] if separator else []
    if rows and (len(rows) < len(nodes) or found["moments"] or found["scale"]):
        raise _unreadable(text)
    scale = tuple(map(fraction, found["scale"].split(","))) if found["scale"] else ()
    rule = Rule(Moments(found["moments"] or "exact"), scale, tuple(rows))
    base = _node(found["base"]) if found["base"] else CURRENT
    return Stage(fraction(found["position"]), tuple(nodes), rule, base)


def _node(text: str) -> Node:
    if text == "0":
        return CURRENT
    return stage(int(text[1:])) if text.startswith("s") else past(int(text[1:]))


def _row(text: str, landing: str) -> Row:
    """The monomials of '1-3*mu1+4*mu2@3'."""
    row, place = [], 0
    while place < len(text):
        found = _MONOMIAL.match(text, place)
        if found is None or (not found[2] and not found[3]):
            raise _unreadable(landing)
        size, power = fraction(found[2] or 1), int(found[3] or 0)
        along = int(found[4]) if found[4] else None
        require("the power of a moment", power, MAX_POWER, least=0)
        row.append(Monomial(-size if found[1] == "-" else size, power, along))
        place = found.end()
    return tuple(row)


def _unreadable(text: str) -> SchemeError:
    return SchemeError(
        f"stage {shown(text.strip())}: expected 'position:{{nodes}}' with nodes 0, -1, -2, .. and "
        "s1, s2, .., for example '1/2:{0}', or weights too, '1:{0: 1/4, s1: 3/4}'."
    )
