"""Tails of a mixture of normal distributions on a line, and their inverse, in many digits."""

from typing import Any

import mpmath


def tail(parts: list[tuple[Any, Any, Any]], y: Any, side: int) -> tuple[Any, Any]:
    """P(Y < y) (side 1) or P(Y > y) (side -1) of a mixture, and the density at y."""
    mass = density = mpmath.mpf(0)
    for weight, mean, spread in parts:
        z = (y - mean) / spread
        mass += weight * mpmath.erfc(-side * z / mpmath.sqrt(2)) / 2
        density += weight * mpmath.exp(-(z**2) / 2) / (spread * mpmath.sqrt(2 * mpmath.pi))
    return mass, density


def quantile(
    parts: list[tuple[Any, Any, Any]], target: Any, side: int, low: Any, high: Any, digits: int
) -> Any:
    """The y in [low, high] whose tail has the logarithm ``target``: Newton kept in a bracket.

    A Newton step that leaves the bracket, or does not halve the step before, is replaced by a
    bisection. The bracket holds because every component alone meets its own target inside it.
    """
    tolerance = mpmath.mpf(10) ** -(digits + 3) * max(abs(low), abs(high), high - low)
    y, step = (low + high) / 2, high - low
    while abs(step) > tolerance:
        mass, density = tail(parts, y, side)
        excess = mpmath.log(mass) - target
        low, high = (low, y) if side * excess > 0 else (y, high)
        newton = -side * excess * mass / density if density else high - low
        if not low < y + newton < high or 2 * abs(newton) > abs(step):
            newton = (low + high) / 2 - y
        y, step = y + newton, newton
    return y
