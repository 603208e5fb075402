"""Schemes by name: the library's constructors, and the text that says one of them."""

import re
from collections.abc import Callable
from functools import lru_cache

from solvergen.errors import SchemeError
from solvergen.methods import exponential, notation
from solvergen.methods.library import (
    adams_moulton,
    dpm_12,
    dpm_23,
    general_linear,
    multistep,
    pece,
    reversible,
    singlestep,
    unip,
    unipc,
)
from solvergen.methods.runge_kutta import TABLEAUX
from solvergen.methods.scheme import Scheme
from solvergen.naming import meant, shown
from solvergen.program.claims import SEPARATOR, require_order

__all__ = [
    "adams_moulton",
    "dpm_12",
    "dpm_23",
    "even",
    "general_linear",
    "get",
    "multistep",
    "names",
    "pece",
    "reversible",
    "singlestep",
    "to_text",
    "unip",
    "unipc",
]


def __dir__() -> list[str]:
    """The constructors, and how schemes are found by name."""
    return __all__


def _implicit(order: int, *options: str) -> Scheme:
    """The options M, ``tol=T`` or ``tol=T``, M of an implicit method."""
    if not options or not options[0].startswith("tol="):
        return adams_moulton(order, *map(int, options))
    tolerance, limit = (*options, None) if len(options) == 1 else options
    iterations = None if limit is None else int(limit)
    return adams_moulton(order, iterations, float(tolerance.removeprefix("tol=")))


_FAMILIES: dict[str, Callable[..., Scheme]] = {
    "multistep": multistep,
    "singlestep": lambda order, *nodes: singlestep(order, nodes[0].split(",") if nodes else None),
    "general_linear": lambda order, *steps: general_linear(order, *map(int, steps)),
    "adams_moulton": _implicit,
    "pece": pece,
    "unip": unip,
    "unipc": unipc,
}
_UNSAID = re.compile(r"multistep:\d+|unipc?:\d+:\w+")
"""Names that leave the start-up open."""
_IMPLICIT = {"backward_euler": 1, "trapezoidal": 2}
_NAMED: dict[str, Callable[[], Scheme]] = {
    "implicit_heun": lambda: adams_moulton(2, 1),
    "reversible": reversible,
    "reversible_heun": reversible,
    "dpm_12": dpm_12,
    "dpm_23": dpm_23,
    "res_3s": exponential.res_3s,
    "cox_matthews": exponential.cox_matthews,
    "krogstad": exponential.krogstad,
    "strehmel_weiner": exponential.strehmel_weiner,
    "hochbruck_ostermann": exponential.hochbruck_ostermann,
}


def get(text: str) -> Scheme:
    """The scheme that ``text`` says, as the command line does.

    Args:
        text: one of ``names()``, or all supports in the form of ``to_text``; either of them may be
            followed by ``=> P``, the order that it has to have at least.

    Raises:
        SchemeError: there is no such scheme, or it has not the order that is claimed.
    """
    if not isinstance(text, str):
        raise SchemeError(f"got {shown(text)}; expected the text of a scheme, or a Scheme")
    return _made(text)


@lru_cache(maxsize=256)
def _made(text: str) -> Scheme:
    """Made once: every emitted module asks whether its scheme is the one of its name."""
    text, claims, claim = map(str.strip, text.partition(SEPARATOR))
    if claims:
        if not re.fullmatch("[0-9]{1,3}", claim):
            raise SchemeError(f"{shown(text)} claims the order {shown(claim)}; expected a number.")
        return require_order(get(text), int(claim))
    if "{" in text:
        return notation.read(text)
    family, *options = text.strip().split(":")
    if family in _FAMILIES and options and re.fullmatch("[0-9]{1,9}", options[0]):
        try:
            return _FAMILIES[family](int(options[0]), *options[1:])
        except (TypeError, ValueError):
            pass
    elif family in _IMPLICIT:
        try:
            return _implicit(_IMPLICIT[family], *options)
        except (TypeError, ValueError):
            pass
    elif family in _NAMED and not options:
        return _NAMED[family]()
    elif family in TABLEAUX and options in ([], ["embedded"]):
        tableau = TABLEAUX[family]
        return tableau.embedded_scheme() if options else tableau.scheme()
    raise SchemeError(
        f"unknown scheme {shown(text)}; expected {', '.join(names())}, with an order K >= 1, or "
        f"supports such as '1/2:{{0}}; 1:{{0,s1}}'.{meant(text, _examples(options))}"
    )


def _examples(options: list[str]) -> tuple[str, ...]:
    """What a mistyped name, with these options, may have meant."""
    order = options[0] if options and options[0].isdecimal() else "2"
    families = (":".join((name, order, *options[1:])) for name in _FAMILIES)
    return (*families, *_IMPLICIT, *_NAMED, *TABLEAUX)


def to_text(scheme: Scheme) -> str:
    """The scheme as ``get`` reads it: its name if that says it all, else its structure."""
    try:
        if get(scheme.name) == scheme:
            return scheme.name
    except SchemeError:
        pass
    return notation.write(scheme)


def even(scheme: Scheme) -> Scheme:
    """The scheme with orders 1, 2, .. in the first steps, if its start-up was left to the target
    and spends extra evaluations: one more call of the network is one more step to whoever counts.
    """
    name = to_text(scheme)
    if scheme.extra_evaluations and _UNSAID.fullmatch(name):
        return get(f"{name}:ramp")
    return scheme


def names() -> tuple[str, ...]:
    """The forms that ``get`` reads."""
    return (
        "multistep:K",
        "multistep:K:exact|ramp[:full|ramp]",
        "singlestep:K",
        "singlestep:K:r1,r2,..",
        "general_linear:K:STEPS",
        *(f"{name}:ITERATIONS" for name in ("adams_moulton:K", *_IMPLICIT)),
        *(f"{name}:tol=TOLERANCE[:LIMIT]" for name in ("adams_moulton:K", *_IMPLICIT)),
        "pece:K",
        "unip:K:exact|bh1|bh2[:exact|ramp[:full|ramp]]",
        "unipc:K:exact|bh1|bh2[:exact|ramp[:full|ramp]]",
        *_NAMED,
        *TABLEAUX,
        *(f"{name}:embedded" for name, one in TABLEAUX.items() if one.embedded),
    )
