"""In how many decimal digits things are computed, and what counts as 0 or as equal there.

float64 has 16 digits. What is decided or measured takes more, because what it compares has lost
some: a difference of near values loses the digits in which they agree, and a value at the distance
10^-k from an end of the domain has terms that differ by 10^-k or 10^-2k.
"""

import mpmath

FLOAT = 15
"""What is left where values were compared or divided, and what mpmath starts with. It is asked for,
because a caller may have set another one."""

own = mpmath.workdps(FLOAT)
"""A decorator of what computes outside a block of its own precision: the caller's does not matter
and stays what it is."""

REFERENCE = 50
"""A value that others are compared with: three times float64, so that a formula may cancel twice
over and still has all the digits of a float. What a module of one grid carries is computed so."""

ZERO = mpmath.mpf(10) ** -40
"""A value in ``REFERENCE`` digits below this is 0: ten digits are left to cancellation."""

QUADRATURE = 25
"""The figures of a quadrature rule, which are compared to ``QUADRATURE_ERROR``: nine digits more
than that, and no more, because every panel is tried with every rule."""

QUADRATURE_ERROR = 1e-16
"""Less than half of the spacing of float64 at 1: a better rule would not be seen in a module."""

MEASUREMENT = 30
"""The integrals that a module's coefficients are measured against: fourteen digits beyond float64,
which suffice because they are computed from their definitions, and cost a part of what 50 do."""

LITERAL = 30
"""A number on its way to float64, from a table or a limit, or into source: rounding to so many
digits before it is rounded to 16 is not seen."""

CHECK = 60
"""Slopes by differences over ``DIFFERENCE`` of the domain: a slope has 40 digits of which
cancellation may take half."""

INVERSION = 150
"""Round trips through an inverse, from 10^-4 of the width from an end: an expression that is flat
there to the thirtieth order still tells t to ``ROUND_TRIP``."""

DIFFERENCE = mpmath.mpf("1e-20")
"""The step of a difference, as a fraction of a width: what is left of h^2 is 10^-40."""

ROUND_TRIP = mpmath.mpf("1e-25")
"""How far t(e(t)) may be from t in ``INVERSION`` digits, relatively. Squaring and the wrong branch
miss by far more; where e is flat, at an end, digits of t are lost."""

DERIVATION = 1e-20
"""How far a derived formula may be from differences in ``CHECK`` digits."""

SENSITIVITY = 80
"""The exact values of an expression that float64 is measured against, up to 10^-15 of the width
from an end, and their slopes by differences over 10^-20 of that distance: 35 digits cancel."""

RATES = 100
"""dt/dlambda as far as lambda = +-36, where alpha or sigma is e^-36 = 10^-16 of the other: its
square and the distance to the end of the domain, of the same size, cancel twice."""

LIMIT = 120
"""Values at 2^-20 .. 2^-160 = 10^-48 of the width from an end: terms of the square of that size
keep 24 digits."""

ZERO_AT_END = mpmath.mpf(10) ** -90
"""A number in ``LIMIT`` digits below this may be 0, a pole of its reciprocal."""

LEADING_POWER = 200
"""Values at 2^-60 and 2^-120 = 10^-36 of the width from an end, of which the leading power is
read: terms of up to the fifth power keep their digits. Differences from the end itself are taken
at a further point, in eight times as many."""

SIDE_OF_END = 250
"""Values at 10^-30 and 10^-60 from an end: fourth powers of that distance, as 1 - sqrt(1 - x^2)
less x^2/2, keep their digits."""

QUANTILE_GUARD = 35
"""Extra digits of the quantile equation: n are lost where the density between modes is 10^-n."""

BAKING_GUARD = 15
"""Extra digits of the integrals over a grid, for the cancellation between their panels."""

BAKING_END = 40
"""A step that touches an end is integrated to 10^-40 of the width from it: what is left out is
less than a rounding error even where an integrand falls as the square root of the distance."""

FUNCTION = 1e-12
"""How far a registered function may be from its implementation in many digits: a good one for
float64 loses three digits, a wrong one all."""
