"""Posters: one SVG per artwork, drawn from the title, the artwork's theme and its look, and always the same.

The theme decides colours, place and sign (``palettes``, ``scenes``), the look decides what stands in front and where the type
goes. So who likes a theme sees in which artworks it is. Nothing of a title reaches the drawing but its name, as escaped text.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from artwork.web.palettes import GENERAL, MOODS, Palette, palette
from artwork.web.scenes import (
    BODY,
    GENERAL_SCENES,
    GENERAL_SIGNS,
    HEAD,
    LIT,
    RUNNER,
    SCENES,
    SIGNS,
    Dice,
    disc,
    headwear,
    line,
    shape,
)

MAX_NAME = 60
"""Characters of a name that are set; what is longer ends in an ellipsis."""


@dataclass(frozen=True)
class PosterTitle:
    """What a poster says."""

    title_id: str
    name: str


@dataclass(frozen=True)
class PosterArtwork:
    """What a poster shows. Themes and looks without a drawing of their own get the general one, in colours of their word."""

    artwork_id: str
    theme: str
    look: str
    clickbait: bool = False


@dataclass(frozen=True)
class Picture:
    """What a look draws from."""

    theme: str
    palette: Palette
    dice: Dice

    @property
    def scene(self) -> str:
        """The theme's place."""
        scene = SCENES.get(self.theme) or self.dice.one_of(GENERAL_SCENES)
        return scene(self.palette, self.dice)

    @property
    def sign(self) -> str:
        """The theme's sign, a path."""
        return SIGNS.get(self.theme) or self.dice.one_of(GENERAL_SIGNS)


def poster(title: PosterTitle, artwork: PosterArtwork) -> str:
    """The poster of an artwork as an SVG document of less than 5 KB."""
    dice = Dice(f"{title.title_id}\n{artwork.artwork_id}\n{artwork.theme}\n{artwork.look}")
    colours = _palette(artwork.theme, title.title_id, dice)
    picture = Picture(artwork.theme, colours, dice)
    look = LOOKS.get(artwork.look, _scenery)
    drawn, type_place = look(picture)
    name = clean_name(title.name)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 360" width="240" height="360">'
        f"{_DEFINITIONS.format(p=colours)}"
        '<rect width="240" height="360" fill="url(#s)"/>'
        f"{drawn}"
        f'{type_place.scrim}<rect width="240" height="360" filter="url(#g)" opacity=".16"/>'
        f"{_set_type(name, artwork.theme, colours, type_place)}"
        f"{_bait(dice) if artwork.clickbait else ''}"
        "</svg>\n"
    )


_DEFINITIONS: Final = (
    '<defs><linearGradient id="s" x2="0" y2="1"><stop stop-color="{p.sky}"/><stop offset=".5" stop-color="{p.middle}"/>'
    '<stop offset=".85" stop-color="{p.glow}"/></linearGradient>'
    '<linearGradient id="d" x2="0" y2="1"><stop offset=".1" stop-color="{p.deep}" stop-opacity="0"/>'
    '<stop offset=".75" stop-color="{p.deep}" stop-opacity=".94"/></linearGradient>'
    '<filter id="g"><feTurbulence type="fractalNoise" baseFrequency=".8" numOctaves="2"/>'
    '<feColorMatrix values="0 0 0 0 1 0 0 0 0 1 0 0 0 0 1 1.6 0 0 0 -.7"/></filter></defs>'
)


def _palette(theme: str, title_id: str, dice: Dice) -> Palette:
    """The mood of the theme, turned a little by the title.

    A word without a mood of its own has a hue of its own; artworks without a theme have hues beside that of their title.
    """
    of_title = Dice(title_id)
    if theme in MOODS:
        return palette(MOODS[theme], of_title.between(-3, 3) * 4)
    if theme == "general":
        return palette(GENERAL, of_title.between(0, 11) * 30 + dice.between(-3, 4) * 20)
    return palette(GENERAL, Dice(theme).between(0, 23) * 15)


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


_AT_TOP: Final = '<path d="M0 0H240V170H0Z" fill="url(#d)" transform="matrix(1 0 0 -1 0 170)"/>'

Look = Callable[[Picture], tuple[str, TypePlace]]


def _person(picture: Picture, worn: str, x: int, y: int, size: float, *, rim: str, dark: str) -> str:
    """A bust with light on its edge: the outline in the light's colour, and again, a little aside, in the dark one."""
    aside = 5 if x <= 120 else -5
    return (
        f'<defs><g id="b{x}"><path d="{BODY}{HEAD}"/><path d="{worn}" fill-rule="evenodd"/></g></defs>'
        f'<g transform="translate({x} {y}) scale({size})"><use href="#b{x}" fill="{rim}"/>'
        f'<use href="#b{x}" x="{aside}" y="3" fill="{dark}"/></g>'
    )


def _scenery(picture: Picture) -> tuple[str, TypePlace]:
    x = picture.dice.between(60, 180)
    figure = line(f"M{x} 331v-9m-2 24l2-14 3 14m-3-24l-4 9m4-9l4 8", picture.palette.ink, 2.4, 0.9, ' stroke-linecap="round"')
    return (
        f"{picture.scene}{figure}{disc(x, 317, 3, picture.palette.ink, 0.9)}",
        TypePlace(bottom=0, height=84, largest=40, scrim=_AT_TOP),
    )


def _lead(picture: Picture) -> tuple[str, TypePlace]:
    p = picture.palette
    x = picture.dice.between(104, 136)
    worn = headwear(picture.theme, picture.dice)[0]
    lit = f'<path transform="translate({x} 158) scale(1.05)" d="{LIT}" fill="{p.glow}" opacity=".38"/>'
    return f"{picture.scene}{_person(picture, worn, x, 158, 1.05, rim=p.light, dark=p.deep)}{lit}", TypePlace()


def _duo(picture: Picture) -> tuple[str, TypePlace]:
    p = picture.palette
    first, second, *_ = headwear(picture.theme, picture.dice)
    behind = _person(picture, second, 166, 146, 0.94, rim=p.glow, dark=p.near)
    front = _person(picture, first, 82, 174, 0.94, rim=p.light, dark=p.deep)
    return f"{picture.scene}{behind}{front}", TypePlace(anchor="middle", x=120, height=84)


def _ensemble(picture: Picture) -> tuple[str, TypePlace]:
    p = picture.palette
    worn = headwear(picture.theme, picture.dice)
    places = ((50, 128, 0.6), (190, 128, 0.6), (120, 104, 0.74), (78, 186, 0.72), (166, 190, 0.72))
    tones = ((p.glow, p.far), (p.glow, p.far), (p.light, p.near), (p.light, p.deep), (p.light, p.deep))
    people = "".join(
        f'<use href="#p{number % 2}" transform="translate({x} {y}) scale({size})" fill="{rim}"/>'
        f'<use href="#p{number % 2}" transform="translate({x + (3 if x <= 120 else -3)} {y + 2}) scale({size})" fill="{dark}"/>'
        for number, ((x, y, size), (rim, dark)) in enumerate(zip(places, tones, strict=True))
    )
    shapes = "".join(
        f'<g id="p{number}"><path d="{BODY}{HEAD}"/><path d="{worn[number]}"/></g>' for number in range(2)
    )
    return f"{picture.scene}<defs>{shapes}</defs>{people}", TypePlace(anchor="middle", x=120, height=80)


def _close_up(picture: Picture) -> tuple[str, TypePlace]:
    p = picture.palette
    worn = headwear(picture.theme, picture.dice)[0]
    turned = "-1 1" if picture.dice.between(0, 1) else "1 1"
    face = "M0-118C52-118 84-84 84-24 84 44 48 112 0 112S-84 44-84-24C-84-84-52-118 0-118Z"
    shadow = "M6-118C-6-80 10-60 2-34L-14 22C-16 34-4 38 4 38-6 52 8 62 0 112-48 112-84 44-84-24-84-84-52-118 6-118Z"
    return (
        f'{disc(120, 170, 132, p.glow, 0.5)}'
        f'<g transform="translate(120 176) scale({turned})">'
        f'{shape("M-44 60H44V150C80 162 130 176 150 200H-150C-130 176-80 162-44 150Z", p.near)}'
        f"{shape(face, p.glow)}{shape(shadow, p.near)}"
        f'{shape("M22-26C36-40 56-38 66-24 52-16 36-16 22-26Z", p.deep)}{disc(44, -27, 5, p.light)}'
        f'{shape("M-66-24C-56-38-36-40-22-26-36-16-52-16-66-24Z", p.light, 0.9)}{disc(-44, -27, 6, p.deep)}'
        f'{line("M18-46C34-58 56-58 72-46", p.deep, 7)}{line("M-72-46C-56-58-34-58-18-46", p.deep, 7)}'
        f'{shape("M-26 64C-14 56-6 58 0 60 8 58 16 56 28 64 16 78-14 78-26 64Z", p.accent)}'
        f'<path transform="scale(2.62)" d="{worn}" fill="{p.deep}" fill-rule="evenodd"/></g>',
        TypePlace(anchor="middle", x=120, height=76),
    )


def _action_look(picture: Picture) -> tuple[str, TypePlace]:
    p, d = picture.palette, picture.dice
    streaks = "".join(f"M{d.between(-40, 200)} {d.between(20, 280)}l{d.between(40, 110)}-{d.between(10, 24)}" for _ in range(9))
    head = '<path transform="translate(30 -62) rotate(8) scale(.42)" d='
    runner = f'<path d="{RUNNER}"/>{head}"{HEAD}"/>{head}"{headwear(picture.theme, d)[0]}"/>'
    lean = d.between(-10, -5)
    return (
        f'<g transform="rotate({lean} 120 180) scale(1.14) translate(-14 -16)">{picture.scene}</g>'
        f"{line(streaks, p.light, 2.5, 0.6)}"
        f'<defs><g id="r">{runner}</g></defs><g transform="translate(112 186) scale(1.3)">'
        f'<use href="#r" x="-3" y="-2" fill="{p.light}"/><use href="#r" fill="{p.deep}"/></g>',
        TypePlace(block=True, height=92, largest=54),
    )


def _symbol(picture: Picture) -> tuple[str, TypePlace]:
    p, d = picture.palette, picture.dice
    rings = "".join(f'<circle r="{radius}"/>' for radius in (92, 112, 136, 166))
    sign = f'fill-rule="evenodd" d="{picture.sign}"'
    return (
        f'<g transform="translate(120 146)"><g fill="none" stroke="{p.light}" opacity=".3">{rings}</g>'
        f'{disc(0, 0, 92, p.near, 0.75)}<g transform="rotate({d.between(-6, 6)}) scale(.86)">'
        f'<path {sign} fill="{p.deep}" transform="translate(4 5)"/><path {sign} fill="{p.light}" stroke="{p.accent}" stroke-width="2"/>'
        f"</g></g>{stars(p, d)}",
        TypePlace(anchor="middle", x=120, height=80),
    )


def stars(p: Palette, d: Dice) -> str:
    """Dust around a sign."""
    dots = "".join(f"M{d.between(4, 236)} {d.between(4, 300)}h0" for _ in range(18))
    return line(dots, p.light, 1.8, 0.6, ' stroke-linecap="round"')


def _title_card(picture: Picture) -> tuple[str, TypePlace]:
    p = picture.palette
    return (
        f'<rect width="240" height="360" fill="{p.deep}"/><clipPath id="w"><path d="M18 18H222V186H18Z"/></clipPath>'
        f'<g clip-path="url(#w)"><rect width="240" height="360" fill="url(#s)"/><g transform="translate(0 -96)">{picture.scene}</g></g>'
        f"{line('M18 18H222V186H18Z', p.light, 1.5, 0.7)}"
        f'<path transform="translate(120 186) scale(.2)" fill-rule="evenodd" d="{picture.sign}" fill="{p.accent}" stroke="{p.deep}" stroke-width="26" paint-order="stroke"/>',
        TypePlace(anchor="middle", x=120, height=126, largest=64, block=True, colour="light", scrim=""),
    )


LOOKS: Final[dict[str, Look]] = {
    "ensemble": _ensemble,
    "lead": _lead,
    "scenery": _scenery,
    "title_card": _title_card,
    "close_up": _close_up,
    "duo": _duo,
    "action": _action_look,
    "symbol": _symbol,
}


# --- type

_WIDTHS: Final = {
    **dict.fromkeys(" !'()*,-./:;Iijl|[]`", 0.31), **dict.fromkeys("ftr\"", 0.37), **dict.fromkeys("JLz", 0.56),
    **dict.fromkeys("EFPSTXYZ", 0.66), **dict.fromkeys("GOQ", 0.78), **dict.fromkeys("%@", 0.93), "M": 0.84, "W": 0.95, "m": 0.89, "w": 0.78,
    **dict.fromkeys("&ABCDHKNRUV", 0.72),
}  # fmt: skip
"""Widths in a bold sans-serif, in ems, of what is not about 0.58 wide."""

_SPACE: Final = 0.31
_SERIF: Final = "Georgia,'Times New Roman','Liberation Serif',serif"
_NARROW: Final = "'Arial Narrow','Liberation Sans Narrow','Helvetica Neue',sans-serif"
_PLAIN: Final = "'Avenir Next','Helvetica Neue','Liberation Sans',Arial,sans-serif"
_ROUND: Final = "ui-rounded,'Arial Rounded MT Bold','Nunito','DejaVu Sans',sans-serif"
_FACES: Final = {
    **dict.fromkeys(("Drama", "Romance", "Fantasy", "Mystery", "Film-Noir", "Western", "Musical"), _SERIF),
    **dict.fromkeys(("Action", "Crime", "Thriller", "War", "Horror"), _NARROW),
    **dict.fromkeys(("Animation", "Children's", "Comedy"), _ROUND),
}

_LAST_ARTICLE: Final = re.compile(r"^(.+), (The|A|An|Der|Die|Das|Le|La|Les|Il|El|L')$")


def clean_name(name: str) -> str:
    """A name as it is set: its article in front, on one line, without what cannot be seen or is no XML, and not too long.

    >>> clean_name("Usual Suspects, The"), clean_name("a\\x00b\\u202ec \\ud800")
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


def _em(text: str) -> float:
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


def _set_type(name: str, theme: str, colours: Palette, place: TypePlace) -> str:
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
    set_lines = []
    for words, size in zip(lines, sizes, strict=True):
        baseline += size * 1.04 - (size * 0.04 if not set_lines else 0)
        wide = min(_em(words) * size, place.width)
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
    widths = [max(_em(word), 0.3) for word in words]
    for count in range(1, min(len(words), 4) + 1):
        lines = _lines(words, widths, count)
        size = min(place.largest, place.width / max(0.3, *map(_em, lines)), place.height / (1.04 * len(lines)))
        if size > best * 1.12:
            best_lines, best = lines, size
    if not place.block:
        return best_lines, [best] * len(best_lines)
    sizes = [min(place.largest, place.width / max(_em(words), 0.3), 2 * best) for words in best_lines]
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


# --- clickbait

_SHOUTS: Final = ("WAIT FOR IT!", "GONE WRONG?!", "NOT CLICKBAIT", "#1 SHOCKER", "YOU WON’T BELIEVE", "EXPOSED!", "OMG!!!", "LAST CHANCE")


def _bait(dice: Dice) -> str:
    """What shouts from an artwork that many open and few watch: a banner, a ring and a fat arrow."""
    shout = dice.one_of(_SHOUTS)
    mirrored = "" if dice.between(0, 1) else ' transform="matrix(-1 0 0 1 240 0)"'
    size = min(30.0, 196 / _em(shout))
    return (
        f'<g{mirrored}><ellipse cx="150" cy="140" rx="52" ry="46" fill="none" stroke="#ff2a1f" stroke-width="8"/>'
        '<path d="M22 262L74 196 58 184 112 164 112 222 96 210 44 278Z" fill="#ff2a1f" stroke="#fff" stroke-width="5"/></g>'
        '<g transform="rotate(-5 120 40)"><path d="M-10 18H250V62H-10Z" fill="#ffe21f" stroke="#111" stroke-width="4"/>'
        f'<text x="120" y="{40 + size * 0.36:.1f}" font-size="{size:.1f}" text-anchor="middle" font-weight="900" fill="#111" '
        f'font-family="Impact,{_NARROW}" textLength="{_em(shout) * size:.0f}" lengthAdjust="spacingAndGlyphs">{escape(shout)}</text></g>'
    )
