"""The library of schemes: functions that return a Scheme.

Why the start-up matters (THEORY section 6): a step with local error O(h^m) that is taken once
leaves O(h^m) in the result, while the main steps leave O(h^p). A run keeps order p if its first
steps have local error O(h^p), so a method of order p - 1 will do. ``ladder`` builds one from
supports alone, for any order and with however many earlier steps there are.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

from solvergen.errors import SchemeError
from solvergen.scheme import CURRENT, Kind, Node, Phase, Scheme, Stage, past, stage

END = Fraction(1)
STARTUPS = ("exact", "ramp")
MULTISTEP_SOURCE = (
    "Hochbruck and Ostermann 2010 (Acta Numerica 19), section 2.5; "
    "Lu et al. 2022b (arXiv:2211.01095), section 4; Zhang and Chen 2023 (arXiv:2204.13902), eq. 15"
)
SINGLESTEP_SOURCE = (
    "Hochbruck and Ostermann 2010 (Acta Numerica 19), section 2.3; "
    "Lu et al. 2022 (arXiv:2206.00927), Algorithms 1 and 2"
)


def multistep(order: int, startup: str = "exact") -> Scheme:
    """The k-step method with support {0, -1, .., -(k-1)}: order k in every clock.

    Exponential Adams-Bashforth (Hochbruck and Ostermann 2010, eq. 2.38); DPM-Solver++ multistep
    (Lu et al. 2022b) with its third-order term right; DEIS tAB (Zhang and Chen 2023, eq. 15) and
    Adams-Bashforth, by the choice of clocks.

    Args:
        order: k >= 1.
        startup: ``exact`` spends extra evaluations in the first steps and keeps order k;
            ``ramp`` starts with orders 1, 2, .. as most samplers do and leaves order 2.
    """
    _check_order("multistep", order)
    if startup not in STARTUPS:
        raise SchemeError(f"startup={startup!r}: expected one of {', '.join(STARTUPS)}.")
    main = Phase("main", (Stage(END, _steps(order - 1)),))
    if startup == "ramp":
        first = tuple(Phase(f"start_{n}", (Stage(END, _steps(n)),)) for n in range(order - 1))
    else:
        first = tuple(Phase(f"start_{n}", ladder(order - 1, available=n)) for n in range(order - 1))
    suffix = "" if startup == "exact" else f":{startup}"
    return Scheme(f"multistep:{order}{suffix}", main, first, MULTISTEP_SOURCE)


def singlestep(order: int, nodes: Sequence[float | str | Fraction] | None = None) -> Scheme:
    """The singlestep method of order k that reads only its own stages.

    k = 2 is DPM-Solver-2 / ++(2S), k = 3 with its second node at 2/3 is DPM-Solver-3 / ++(3S)
    (Lu et al. 2022, Algorithms 1 and 2). Other second nodes cost one more evaluation, because
    the support {0, r_2} meets the third-order condition mu_2 = r_2 mu_1 only at r_2 = 2/3;
    k >= 4 uses the same construction (``ladder``).

    Args:
        order: k >= 1.
        nodes: the k - 1 distinct inner positions in (0, 1); evenly spaced by default.
    """
    _check_order("singlestep", order)
    if nodes is None:
        main = Phase("main", ladder(order))
        return Scheme(f"singlestep:{order}", main, source=SINGLESTEP_SOURCE)
    inner = tuple(Fraction(str(node)) for node in nodes)
    if len(inner) != order - 1 or not all(0 < node < 1 for node in inner):
        raise SchemeError(
            f"singlestep({order}) got nodes {', '.join(map(str, inner)) or 'none'}; expected "
            f"{order - 1} distinct positions strictly between 0 and 1."
        )
    name = f"singlestep:{order}" + (":" + ",".join(map(str, inner)) if inner else "")
    main = Phase("main", ladder(order, nodes=inner))
    return Scheme(name, main, source=SINGLESTEP_SOURCE)


def ladder(
    order: int, available: int = 0, nodes: tuple[Fraction, ...] | None = None
) -> tuple[Stage, ...]:
    """Stages of one step with local error O(h^(order + 1)), given ``available`` earlier steps.

    A stage that interpolates q values, each with error O(h^q) or better, has local error
    O(h^(q+1)): M0 = O(h) wins one power. So rung q consists of the inner points that rung q + 1
    needs beside the earlier steps and the start, q - available of them, and the last rung is
    the end of the step.
    """
    if order == 3 and available == 0:
        inner = nodes or (Fraction(1, 3), Fraction(2, 3))
        if inner[1] == Fraction(2, 3):
            return _third_order(inner)
    stages: list[Stage] = []
    rung: tuple[Node, ...] = ()
    for accuracy in range(1, order):
        support = (CURRENT, *rung, *_steps(min(available, accuracy - 1))[1:])
        wanted = max(0, accuracy - available)
        positions = _even(wanted)
        if nodes is not None:
            positions = nodes[:wanted]
        start = len(stages) + 1
        stages += [Stage(position, support) for position in positions]
        rung = tuple(stage(start + i) for i in range(wanted))
    support = (CURRENT, *rung, *_steps(min(available, order - 1))[1:])
    return (*stages, Stage(END, support))


def _third_order(nodes: tuple[Fraction, ...]) -> tuple[Stage, ...]:
    """Three evaluations suffice with r_2 = 2/3 (Lu et al. 2022, Algorithm 2)."""
    return (
        Stage(nodes[0], (CURRENT,)),
        Stage(nodes[1], (CURRENT, stage(1))),
        Stage(END, (CURRENT, stage(2))),
    )


def _steps(back: int) -> tuple[Node, ...]:
    """{0, -1, .., -back}."""
    return (CURRENT, *(past(j) for j in range(1, back + 1)))


def _even(count: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(i, count + 1) for i in range(1, count + 1))


def _check_order(name: str, order: int) -> None:
    if not isinstance(order, int) or order < 1:
        raise SchemeError(f"{name}({order!r}): expected an order 1, 2, 3, ...")


def get(text: str) -> Scheme:
    """The scheme that ``text`` says, as the command line does.

    Args:
        text: ``multistep:K``, ``multistep:K:ramp``, ``singlestep:K``,
            ``singlestep:K:r_1,r_2,..``, or all supports in the form of ``to_text``.
    """
    if "{" in text:
        return _read_structure(text)
    family, _, rest = text.strip().partition(":")
    order, _, option = rest.partition(":")
    if family in ("multistep", "singlestep") and order.isdecimal():
        if family == "multistep":
            return multistep(int(order), option or "exact")
        return singlestep(int(order), option.split(",") if option else None)
    raise SchemeError(
        f"unknown scheme {text!r}; expected multistep:K, multistep:K:ramp, singlestep:K or "
        "singlestep:K:r1,r2,.. with an order K >= 1, or supports such as '1/2:{0}; 1:{0,s1}'."
    )


def to_text(scheme: Scheme) -> str:
    """The scheme as ``get`` reads it: its name if that says it all, else its supports.

    Stages are ``position:{nodes}`` joined by ``;`` and phases are joined by ``|``, the main one
    last. Nodes are ``0``, ``-j`` for earlier steps and ``si`` for inner stages.
    """
    try:
        if get(scheme.name) == scheme:
            return scheme.name
    except SchemeError:
        pass
    return " | ".join(
        "; ".join(
            f"{one.position}:{{{','.join(map(_node_text, one.support))}}}" for one in phase.stages
        )
        for phase in scheme.phases
    )


def _node_text(node: Node) -> str:
    return f"s{node.index}" if node.kind is Kind.STAGE else str(node)


def _read_structure(text: str) -> Scheme:
    parts = text.split("|")
    names = [*(f"start_{n}" for n in range(len(parts) - 1)), "main"]
    phases = [
        Phase(name, tuple(map(_read_stage, part.split(";"))))
        for name, part in zip(names, parts, strict=True)
    ]
    return Scheme("custom", phases[-1], tuple(phases[:-1]))


def _read_stage(text: str) -> Stage:
    found = re.fullmatch(r"\s*([\d/.]+)\s*:\s*\{([^{}]*)\}\s*", text)
    nodes = found and [re.fullmatch(r"\s*(0|-\d+|s\d+)\s*", one) for one in found[2].split(",")]
    if not found or not nodes or None in nodes:
        raise SchemeError(
            f"stage {text.strip()!r}: expected 'position:{{nodes}}' with nodes 0, -1, -2, .. and "
            "s1, s2, .., for example '1/2:{0}'."
        )
    return Stage(Fraction(found[1]), tuple(_read_node(one[1]) for one in nodes if one))


def _read_node(text: str) -> Node:
    if text == "0":
        return CURRENT
    return stage(int(text[1:])) if text.startswith("s") else past(int(text[1:]))


def names() -> tuple[str, ...]:
    """The forms that ``get`` reads."""
    return ("multistep:K", "multistep:K:ramp", "singlestep:K", "singlestep:K:r1,r2,..")
