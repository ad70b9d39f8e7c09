"""The type of posters: a name as it is set, broken into lines and sized to fit, each line of a length that is given."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from artwork.web.drawing.palettes import Palette

MAX_NAME: Final = 60
"""Characters of a name that are set; what is longer ends in an ellipsis."""


@dataclass(frozen=True)
class TypePlace:
    """Where type is set: around ``x``, lines ending above ``bottom`` (or beginning below ``top``), within width and height."""

    anchor: str = "start"
    x: int = 18
    bottom: int = 338
    width: int = 204
    height: int = 96
    largest: int = 44
    block: bool = False
    colour: str = "ink"
    scrim: str = '<path d="M0 190H240V360H0Z" fill="url(#d)"/>'


_WIDTHS: Final = {
    **dict.fromkeys(" !'()*,-./:;Iijl|[]`", 0.31), **dict.fromkeys("ftr\"", 0.37), **dict.fromkeys("JLz", 0.56),
    **dict.fromkeys("EFPSTXYZ", 0.66), **dict.fromkeys("GOQ", 0.78), **dict.fromkeys("%@", 0.93),
    **dict.fromkeys("&ABCDHKNRUV", 0.72), "M": 0.84, "W": 0.95, "m": 0.89, "w": 0.78,
}  # fmt: skip
"""Widths in a bold sans-serif, in ems, of what is not about 0.58 wide."""

_SPACE: Final = 0.31
_SERIF: Final = "Georgia,'Times New Roman','Liberation Serif',serif"
NARROW: Final = "'Arial Narrow','Liberation Sans Narrow','Helvetica Neue',sans-serif"
_PLAIN: Final = "'Avenir Next','Helvetica Neue','Liberation Sans',Arial,sans-serif"
_ROUND: Final = "ui-rounded,'Arial Rounded MT Bold','Nunito','DejaVu Sans',sans-serif"
_FACES: Final = {
    **dict.fromkeys(("Drama", "Romance", "Fantasy", "Mystery", "Film-Noir", "Western", "Musical"), _SERIF),
    **dict.fromkeys(("Action", "Crime", "Thriller", "War", "Horror"), NARROW),
    **dict.fromkeys(("Animation", "Children's", "Comedy"), _ROUND),
}

_LAST_ARTICLE: Final = re.compile(r"^(.+), (The|A|An|Der|Die|Das|Le|La|Les|Il|El|L')$")


def clean_name(name: str) -> str:
    r"""A name as it is set: its article in front, on one line, without what cannot be seen or is no XML, and not too long.

    >>> clean_name("Usual Suspects, The"), clean_name("a\x00b\u202ec \ud800")
    ('The Usual Suspects', 'abc')
    """
    seen = "".join(" " if letter.isspace() else letter for letter in name[: 4 * MAX_NAME] if _is_drawn(letter))
    text = " ".join(seen.split())
    article = _LAST_ARTICLE.match(text)
    if article is not None:
        text = f"{article[2]}{'' if article[2].endswith(chr(39)) else ' '}{article[1]}"
    return text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 1].rstrip()}…"


def _is_drawn(letter: str) -> bool:
    """Whether a character is a letter, a mark or a space: not a control, a lone surrogate, a private or an unassigned one."""
    return letter.isspace() or letter in "\u200c\u200d" or not unicodedata.category(letter).startswith("C")


def em(text: str) -> float:
    """About how wide a text is, in ems."""
    return sum(_WIDTHS.get(letter) or _em_of(letter) for letter in text)


def _em_of(letter: str) -> float:
    if letter.isascii():
        return 0.58
    if unicodedata.combining(letter) or letter in "\u200c\u200d" or unicodedata.category(letter) == "Mn":
        return 0.0
    return 1.05 if unicodedata.east_asian_width(letter) in "WF" else 0.62


def _lines(words: Sequence[str], widths: Sequence[float], count: int) -> list[str]:
    """The words on at most so many lines, the longest of them about as short as can be."""
    low, high = max(widths), sum(widths) + _SPACE * len(widths)
    best = [" ".join(words)]
    for _ in range(8 if count > 1 else 0):
        middle = (low + high) / 2
        lines = _filled(words, widths, middle)
        if len(lines) > count:
            low = middle
        else:
            best, high = lines, middle
    return best


def _filled(words: Sequence[str], widths: Sequence[float], limit: float) -> list[str]:
    """Lines that take words until the next would make them wider than the limit."""
    lines, wide = [words[0]], widths[0]
    for word, width in zip(words[1:], widths[1:], strict=True):
        if wide + _SPACE + width <= limit:
            lines[-1] += f" {word}"
            wide += _SPACE + width
        else:
            lines.append(word)
            wide = width
    return lines


def set_type(name: str, theme: str, colours: Palette, place: TypePlace) -> str:
    """The name in the largest type that fits: as many lines as make it largest, each of the length that it was given."""
    if not name:
        return ""
    text = name.upper() if theme not in {"Romance", "Fantasy", "Children's"} else name
    lines, sizes = _fit(text.split(), place)
    right = _is_right_to_left(name)
    anchor, x = ("end", 240 - place.x) if right and place.anchor == "start" else (place.anchor, place.x)
    if right and anchor == "end":
        anchor = "start"  # of a text that runs to the left: its right end
    # A line takes 1.04 of its size; capitals are 0.74 of it high, so what is left stands between the lines.
    baseline = place.bottom - sum(sizes) * 1.04 + sizes[0] * 0.04 if place.bottom else 22.0 - sizes[0] * 0.26
    set_lines: list[str] = []
    for words, size in zip(lines, sizes, strict=True):
        baseline += size * 1.04 - (size * 0.04 if not set_lines else 0)
        wide = min(em(words) * size, place.width)
        set_lines.append(
            f'<text x="{x}" y="{baseline:.1f}" font-size="{size:.1f}" textLength="{wide:.1f}" '
            f'lengthAdjust="spacingAndGlyphs">{escape(words)}</text>'
        )
    direction = ' direction="rtl"' if right else ""
    return (
        f'<g font-family="{_FACES.get(theme, _PLAIN)}" font-weight="800" fill="{getattr(colours, place.colour)}" '
        f'text-anchor="{anchor}"{direction}>{"".join(set_lines)}</g>'
    )


def _fit(words: Sequence[str], place: TypePlace) -> tuple[list[str], list[float]]:
    """Lines and the size of each: all alike, or in a block each as wide as the place, but none twice the smallest."""
    best_lines, best = [" ".join(words)], 0.0
    widths = [max(em(word), 0.3) for word in words]
    for count in range(1, min(len(words), 4) + 1):
        lines = _lines(words, widths, count)
        size = min(place.largest, place.width / max(0.3, *map(em, lines)), place.height / (1.04 * len(lines)))
        if size > best * 1.12:
            best_lines, best = lines, size
    if not place.block:
        return best_lines, [best] * len(best_lines)
    sizes = [min(place.largest, place.width / max(em(words), 0.3), 2 * best) for words in best_lines]
    shrink = min(1.0, place.height / (1.04 * sum(sizes)))
    return best_lines, [size * shrink for size in sizes]


def _is_right_to_left(name: str) -> bool:
    """Whether the first letter with a direction runs to the left."""
    for letter in name:
        direction = unicodedata.bidirectional(letter)
        if direction in {"R", "AL"}:
            return True
        if direction == "L":
            return False
    return False
