"""Series of residues modulo a prime as one integer, in which they stand side by side.

A product of two such integers has the coefficients of the product of the series in it, and modulo
2^61 - 1 all are reduced at once: x = x mod 2^61 + floor(x/2^61), with masks and a shift. What
stands in a place is less than 2^61 + 2^7, which is one residue or, at 0 and a few more, another.
"""

from collections.abc import Sequence
from functools import lru_cache

BITS = 61
PRIME = 2**BITS - 1
SPACE = 16
"""Bytes for a sum of 60 products of two residues."""


def packed(residues: Sequence[int]) -> int:
    """Residues side by side."""
    return int.from_bytes(b"".join([c.to_bytes(SPACE, "little") for c in residues]), "little")


def unpacked(whole: int, length: int) -> tuple[int, ...]:
    """The residues in an integer, each less than the prime."""
    found = whole.to_bytes(SPACE * length, "little")
    ends = range(0, SPACE * length, SPACE)
    return tuple([int.from_bytes(found[k : k + SPACE], "little") % PRIME for k in ends])


@lru_cache(maxsize=64)
def _masks(length: int) -> tuple[int, int, int, int]:
    """The lower bits of every place, those that are moved there, all, and twice the prime."""
    ones = packed([1] * length)
    upper = (1 << (8 * SPACE - BITS)) - 1
    return ones * PRIME, ones * upper, (1 << 8 * SPACE * length) - 1, ones * 2 * PRIME


def reduced(whole: int, length: int) -> int:
    """Sums of up to 60 products of residues, as residues."""
    low, high, _, _ = _masks(length)
    once = (whole & low) + ((whole >> BITS) & high)
    return (once & low) + ((once >> BITS) & high)


def product_of(ours: int, theirs: int, length: int) -> int:
    """The product of two series, as far as both are known."""
    return reduced(ours * theirs & _masks(length)[2], length)


def sum_of(ours: int, theirs: int, length: int) -> int:
    """The sum of two series."""
    low, high, _, _ = _masks(length)
    total = ours + theirs
    return (total & low) + ((total >> BITS) & high)


def difference_of(ours: int, theirs: int, length: int) -> int:
    """The difference of two series."""
    return sum_of(ours, _masks(length)[3] - theirs, length)
