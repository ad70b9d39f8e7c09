"""The people of posters: paths around the middle of a head that is 85 high, and what they wear by theme."""

import itertools
import math
from collections.abc import Sequence
from typing import Final

from artwork.web.drawing.strokes import Dice

HEAD: Final = "M-31-6C-31-30-17-43 0-43S31-30 31-6C31 20 17 42 0 42S-31 20-31-6Z"
LIT: Final = "M3-43C18-42 31-30 31-6 31 20 17 42 4 42 16 20-2 6 8-8 12-18 2-30 3-43Z"
BODY: Final = "M-104 200C-104 112-74 88-32 74-20 70-17 62-17 50V20H17V50C17 62 20 70 32 74 74 88 104 112 104 200Z"


def _limb(*joints: tuple[int, int, int]) -> str:
    """A limb through joints (x, y and half its width there), as outlines that overlap."""
    parts = []
    for (x, y, half), (to_x, to_y, to_half) in itertools.pairwise(joints):
        length = math.hypot(to_x - x, to_y - y)
        across, along = (to_y - y) / length, (to_x - x) / length
        corners = (
            (x + across * half, y - along * half), (to_x + across * to_half, to_y - along * to_half),
            (to_x - across * to_half, to_y + along * to_half), (x - across * half, y + along * half),
        )  # fmt: skip
        (a, b), (c, d), (e, f), (g, h) = [(round(left), round(top)) for left, top in corners]
        parts.append(f"M{a} {b}L{c} {d}A{to_half} {to_half} 0 0 1 {e} {f}L{g} {h}A{half} {half} 0 0 1 {a} {b}Z")
    return "".join(parts)


RUNNER: Final = (
    _limb((20, -36, 13), (10, -14, 12), (-2, 10, 10))
    + _limb((-3, 8, 10), (27, 22, 8), (24, 56, 5), (34, 60, 3))
    + _limb((-3, 10, 10), (-16, 44, 8), (-50, 50, 5), (-56, 42, 3))
    + _limb((24, -40, 7), (44, -18, 6), (66, -30, 4))
    + _limb((16, -40, 7), (-14, -34, 6), (-22, -10, 4))
    + _limb((24, -44, 6), (28, -56, 6))
    + "M10-44C-14-34-40-30-62-6-40-12-34-4-50 14-28 2-14 10-8 14L6-10Z"
)
"""Somebody who runs to the right, a coat behind; the head belongs at (30, -62)."""
_SHORT = "M-35 2C-42-34-24-54 2-53S42-32 35 2C33-12 26-22 14-25-6-22-24-20-29-12-33-8-34-4-35 2Z"
_LONG = (
    "M-36-4C-42-40-20-56 0-56S42-40 36-4"
    "C36 30 46 56 54 92 34 98 30 60 28 20 24-4 18-20 2-26-14-20-24-4-28 20-30 60-34 98-54 92-46 56-36 30-36-4"
    "Z"
)
_BUN = "M-34-2C-40-34-24-50-8-52A17 17 0 1 1 16-51C32-46 40-32 34-2 30-14 20-24 0-25-20-24-30-14-34-2Z"
_CURLS = (
    "M-36 12"
    "C-52 6-50-16-40-20-48-38-28-52-18-46-12-62 14-62 20-46 34-52 48-36 40-20 52-14 50 6 36 12 34-6 28-20 8-24-12-24-32-14-36 12"
    "Z"
)
_FEDORA = (
    "M-62-14C-40-28 40-28 62-14 44-4-44-4-62-14ZM-33-24"
    "C-34-52-28-64-14-62-6-62-4-57 2-57 8-62 16-64 22-60 32-54 33-42 33-24Z"
)
_COWBOY = (
    "M-74-28C-54-6 54-6 74-28 60-22 46-24 34-26 32-56 24-64 12-60 4-57-4-57-12-60-24-64-32-56-34-26-46-24-60-22-74-28Z"
)
_HELMET = "M-46-8C-46-42-26-56 0-56S46-42 46-8C48-2 40-4 34-10-12-18-34-10-34-10-40-4-48-2-46-8Z"
_HOOD = (
    "M-60 84C-64 20-50-54 0-66 50-54 64 20 60 84 40 76 34 40 32 0 28-24 14-34 0-36-14-34-28-24-32 0-34 40-40 76-60 84Z"
)
_VISOR = "M-52-2A52 52 0 1 1 52-2 52 54 0 0 1-52-2ZM-32-16C-20-34 24-36 34-14 40 12 22 24-2 24-26 24-38 8-32-16Z"
_TOP_HAT = "M-52-26C-30-34 30-34 52-26 40-18-40-18-52-26ZM-31-30L-34-84C-14-90 14-90 34-84L31-30Z"
_CROWN = "M-33-24L-38-62-19-44 0-70 19-44 38-62 33-24C14-30-14-30-33-24Z"
HAIR: Final = (_SHORT, _LONG, _BUN, _CURLS)
HEADWEAR: Final = {
    "Adventure": (_FEDORA, _SHORT, _BUN),
    "Crime": (_FEDORA, _SHORT, _LONG),
    "Fantasy": (_CROWN, _HOOD, _LONG),
    "Film-Noir": (_FEDORA, _LONG, _FEDORA),
    "Horror": (_LONG, _HOOD, _SHORT),
    "Musical": (_TOP_HAT, _CURLS, _LONG),
    "Mystery": (_FEDORA, _HOOD, _BUN),
    "Sci-Fi": (_VISOR, _SHORT, _VISOR),
    "Thriller": (_HOOD, _SHORT, _LONG),
    "War": (_HELMET, _HELMET, _SHORT),
    "Western": (_COWBOY, _COWBOY, _LONG),
}
"""What the people of a theme wear, the first of them in front; hair where a theme has nothing of its own."""


def headwear(theme: str, dice: Dice) -> Sequence[str]:
    """What the heads of a picture wear, the one in front first."""
    worn = HEADWEAR.get(theme)
    if worn is not None:
        return worn
    first = dice.between(0, len(HAIR) - 1)
    return HAIR[first:] + HAIR[:first]
