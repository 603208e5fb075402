"""Make the math font of pages: Latin Modern Math with the characters that MathML of ours has.

    python tools/subset_font.py /usr/share/texmf/fonts/opentype/public/lm-math/latinmodern-math.otf

It needs fonttools, which comes with matplotlib.
"""

import sys
from pathlib import Path

from fontTools import subset

OUTPUT = Path(__file__).parents[1] / "solvergen" / "reports" / "fonts" / "latin_modern_math.woff"
RANGES = (
    (0x20, 0x7F),  # ASCII
    (0x391, 0x3CA),  # Greek
    (0x1D400, 0x1D434),  # bold
    (0x1D434, 0x1D468),  # italic
    (0x1D49C, 0x1D4D0),  # script
    (0x1D6E2, 0x1D6FB),  # italic Greek
    (0x1D6FC, 0x1D71C),
)
SIGNS = (
    0xA0, 0xAC, 0xAF, 0xB1, 0xB7, 0xD7, 0x2C6, 0x2D9, 0x2DC, 0x302, 0x303, 0x304, 0x307, 0x308,
    0x3D1, 0x3D5, 0x3F5, 0x2010, 0x2013, 0x2018, 0x2019, 0x201C, 0x201D, 0x2026, 0x2032, 0x2033,
    0x203E, 0x2061, 0x2062, 0x2063, 0x2112, 0x2115, 0x211B, 0x211D, 0x2130, 0x2131, 0x210E, 0x2190,
    0x2192, 0x21A6, 0x2200, 0x2202, 0x2207, 0x2208, 0x220F, 0x2211, 0x2212, 0x2213, 0x2217, 0x221A,
    0x221D, 0x221E, 0x222B, 0x223C, 0x2248, 0x2254, 0x2260, 0x2261, 0x2264, 0x2265, 0x226A, 0x226B,
    0x22C5, 0x22C6, 0x22EF, 0x2308, 0x2309, 0x230A, 0x230B, 0x23DE, 0x23DF, 0x27E8, 0x27E9, 0x1D53C,
    0x1D7D9,
)  # fmt: skip


def main(source: str) -> None:
    """Write the subset."""
    options = subset.Options()
    options.flavor, options.layout_features, options.name_IDs = "woff", ["*"], ["*"]
    options.notdef_outline, options.glyph_names, options.hinting = True, False, False
    options.drop_tables += ["FFTM"]
    font = subset.load_font(source, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes={*SIGNS, *(c for low, high in RANGES for c in range(low, high))})
    subsetter.subset(font)
    subset.save_font(font, str(OUTPUT), options)


if __name__ == "__main__":
    main(*sys.argv[1:])
