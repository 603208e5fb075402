"""Pieces of source that are factors: what is 1 is not written."""

from solvergen.algebra.numpy_code import items_code


def in_parentheses(text: str) -> str:
    """A sum or product as a factor."""
    return f"({text})" if " " in text else text


def product(first: str, second: str) -> str:
    """first * second, where the first may be 1."""
    return second if first == "1.0" else f"{first} * {second}"


def quotient(numerator: str, ratio: str) -> str:
    """numerator / ratio, for a ratio a / b of two lengths or 1."""
    if ratio == "1.0":
        return numerator
    sign, ratio = ("-", ratio[1:]) if ratio.startswith("-") else ("", ratio)
    top, _, bottom = ratio.partition(" / ")
    return f"{sign}{numerator} * {bottom} / {top}" if bottom else f"{sign}{numerator} / {top}"


def unpacked(names: list[str], given: int) -> str:
    """The first of the values that a function returns."""
    return items_code(names if len(names) == given else [*names, "*_"])
