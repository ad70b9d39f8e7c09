"""Posters: one SVG per artwork, drawn from the title, the artwork's theme and its look, and always the same.

The theme decides colours, place, sign and what people wear (``palettes``, ``scenes``, ``figures``), the look decides what
stands in front and where the type goes (``lettering``). So one sees which theme an artwork has. Nothing of a title reaches the
drawing but its name, as escaped text.
"""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Final

from artwork.web.drawing.figures import BODY, HEAD, LIT, RUNNER, headwear
from artwork.web.drawing.lettering import NARROW, TypePlace, clean_name, em, set_type
from artwork.web.drawing.palettes import GENERAL, MOODS, Palette, palette
from artwork.web.drawing.scenes import GENERAL_SCENES, SCENES
from artwork.web.drawing.signs import GENERAL_SIGNS, SIGNS
from artwork.web.drawing.strokes import Dice, disc, line, shape


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
        f"{set_type(name, artwork.theme, colours, type_place)}"
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
        return palette(MOODS[theme], of_title.between(-3, 3) * 7)
    if theme == "general":
        return palette(GENERAL, of_title.between(0, 11) * 30 + dice.between(-3, 4) * 20)
    return palette(GENERAL, Dice(theme).between(0, 23) * 15)


_AT_TOP: Final = '<path d="M0 0H240V170H0Z" fill="url(#d)" transform="matrix(1 0 0 -1 0 170)"/>'

Look = Callable[[Picture], tuple[str, TypePlace]]


def _person(worn: str, x: int, y: int, size: float, *, rim: str, dark: str) -> str:
    """A bust with light on its edge: the outline in the light's colour, and again, a little aside, in the dark one."""
    aside = 5 if x <= 120 else -5
    return (
        f'<defs><g id="b{x}"><path d="{BODY}{HEAD}"/><path d="{worn}" fill-rule="evenodd"/></g></defs>'
        f'<g transform="translate({x} {y}) scale({size})"><use href="#b{x}" fill="{rim}"/>'
        f'<use href="#b{x}" x="{aside}" y="3" fill="{dark}"/></g>'
    )


def _scenery(picture: Picture) -> tuple[str, TypePlace]:
    x = picture.dice.between(60, 180)
    figure = line(
        f"M{x} 331v-9m-2 24l2-14 3 14m-3-24l-4 9m4-9l4 8", picture.palette.ink, 2.4, 0.9, ' stroke-linecap="round"'
    )
    drawn = f"{picture.scene}{figure}{disc(x, 317, 3, picture.palette.ink, 0.9)}"
    return drawn, TypePlace(bottom=0, height=84, largest=40, scrim=_AT_TOP)


def _lead(picture: Picture) -> tuple[str, TypePlace]:
    p = picture.palette
    x = picture.dice.between(104, 136)
    worn = headwear(picture.theme, picture.dice)[0]
    lit = f'<path transform="translate({x} 158) scale(1.05)" d="{LIT}" fill="{p.glow}" opacity=".38"/>'
    return f"{picture.scene}{_person(worn, x, 158, 1.05, rim=p.light, dark=p.deep)}{lit}", TypePlace()


def _duo(picture: Picture) -> tuple[str, TypePlace]:
    p = picture.palette
    first, second, *_ = headwear(picture.theme, picture.dice)
    behind = _person(second, 166, 146, 0.94, rim=p.glow, dark=p.near)
    front = _person(first, 82, 174, 0.94, rim=p.light, dark=p.deep)
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
    shapes = "".join(f'<g id="p{number}"><path d="{BODY}{HEAD}"/><path d="{worn[number]}"/></g>' for number in range(2))
    return f"{picture.scene}<defs>{shapes}</defs>{people}", TypePlace(anchor="middle", x=120, height=80)


def _close_up(picture: Picture) -> tuple[str, TypePlace]:
    p = picture.palette
    worn = headwear(picture.theme, picture.dice)[0]
    turned = "-1 1" if picture.dice.between(0, 1) else "1 1"
    face = "M0-118C52-118 84-84 84-24 84 44 48 112 0 112S-84 44-84-24C-84-84-52-118 0-118Z"
    shadow = "M6-118C-6-80 10-60 2-34L-14 22C-16 34-4 38 4 38-6 52 8 62 0 112-48 112-84 44-84-24-84-84-52-118 6-118Z"
    drawn = (
        f"{disc(120, 170, 132, p.glow, 0.5)}"
        f'<g transform="translate(120 176) scale({turned})">'
        f"{shape('M-44 60H44V150C80 162 130 176 150 200H-150C-130 176-80 162-44 150Z', p.near)}"
        f"{shape(face, p.glow)}{shape(shadow, p.near)}"
        f"{shape('M22-26C36-40 56-38 66-24 52-16 36-16 22-26Z', p.deep)}{disc(44, -27, 5, p.light)}"
        f"{shape('M-66-24C-56-38-36-40-22-26-36-16-52-16-66-24Z', p.light, 0.9)}{disc(-44, -27, 6, p.deep)}"
        f"{line('M18-46C34-58 56-58 72-46', p.deep, 7)}{line('M-72-46C-56-58-34-58-18-46', p.deep, 7)}"
        f"{shape('M-26 64C-14 56-6 58 0 60 8 58 16 56 28 64 16 78-14 78-26 64Z', p.accent)}"
        f'<path transform="scale(2.62)" d="{worn}" fill="{p.deep}" fill-rule="evenodd"/></g>'
    )
    return drawn, TypePlace(anchor="middle", x=120, height=76)


def _action_look(picture: Picture) -> tuple[str, TypePlace]:
    p, d = picture.palette, picture.dice
    streaks = "".join(
        f"M{d.between(-40, 200)} {d.between(20, 280)}l{d.between(40, 110)}-{d.between(10, 24)}" for _ in range(9)
    )
    head = '<path transform="translate(30 -62) rotate(8) scale(.42)" d='
    runner = f'<path d="{RUNNER}"/>{head}"{HEAD}"/>{head}"{headwear(picture.theme, d)[0]}"/>'
    lean = d.between(-10, -5)
    drawn = (
        f'<g transform="rotate({lean} 120 180) scale(1.14) translate(-14 -16)">{picture.scene}</g>'
        f"{line(streaks, p.light, 2.5, 0.6)}"
        f'<defs><g id="r">{runner}</g></defs><g transform="translate(112 186) scale(1.3)">'
        f'<use href="#r" x="-3" y="-2" fill="{p.light}"/><use href="#r" fill="{p.deep}"/></g>'
    )
    return drawn, TypePlace(block=True, height=92, largest=54)


def _symbol(picture: Picture) -> tuple[str, TypePlace]:
    p, d = picture.palette, picture.dice
    rings = "".join(f'<circle r="{radius}"/>' for radius in (92, 112, 136, 166))
    sign = f'fill-rule="evenodd" d="{picture.sign}"'
    drawn = (
        f'<g transform="translate(120 146)"><g fill="none" stroke="{p.light}" opacity=".3">{rings}</g>'
        f'{disc(0, 0, 92, p.near, 0.75)}<g transform="rotate({d.between(-6, 6)}) scale(.86)">'
        f'<path {sign} fill="{p.deep}" transform="translate(4 5)"/>'
        f'<path {sign} fill="{p.light}" stroke="{p.accent}" stroke-width="2"/></g></g>{_dust(p, d)}'
    )
    return drawn, TypePlace(anchor="middle", x=120, height=80)


def _dust(p: Palette, d: Dice) -> str:
    """Dust around a sign."""
    dots = "".join(f"M{d.between(4, 236)} {d.between(4, 300)}h0" for _ in range(18))
    return line(dots, p.light, 1.8, 0.6, ' stroke-linecap="round"')


def _title_card(picture: Picture) -> tuple[str, TypePlace]:
    p = picture.palette
    drawn = (
        f'<rect width="240" height="360" fill="{p.deep}"/><clipPath id="w"><path d="M18 18H222V186H18Z"/></clipPath>'
        '<g clip-path="url(#w)"><rect width="240" height="360" fill="url(#s)"/>'
        f'<g transform="translate(0 -96)">{picture.scene}</g></g>'
        f"{line('M18 18H222V186H18Z', p.light, 1.5, 0.7)}"
        f'<path transform="translate(120 186) scale(.2)" fill-rule="evenodd" d="{picture.sign}" fill="{p.accent}"'
        f' stroke="{p.deep}" stroke-width="26" paint-order="stroke"/>'
    )
    return drawn, TypePlace(anchor="middle", x=120, height=126, largest=64, block=True, colour="light", scrim="")


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


_SHOUTS: Final = (
    "WAIT FOR IT!",
    "GONE WRONG?!",
    "NOT CLICKBAIT",
    "#1 SHOCKER",
    "YOU WON'T BELIEVE",
    "EXPOSED!",
    "OMG!!!",
    "LAST CHANCE",
)


def _bait(dice: Dice) -> str:
    """What shouts from an artwork that many open and few watch: a banner, a ring and a fat arrow."""
    shout = dice.one_of(_SHOUTS)
    mirrored = "" if dice.between(0, 1) else ' transform="matrix(-1 0 0 1 240 0)"'
    size = min(30.0, 196 / em(shout))
    return (
        f'<g{mirrored}><ellipse cx="150" cy="140" rx="52" ry="46" fill="none" stroke="#ff2a1f" stroke-width="8"/>'
        '<path d="M22 262L74 196 58 184 112 164 112 222 96 210 44 278Z" fill="#ff2a1f" stroke="#fff" stroke-width="5"/></g>'
        '<g transform="rotate(-5 120 40)"><path d="M-10 18H250V62H-10Z" fill="#ffe21f" stroke="#111" stroke-width="4"/>'
        f'<text x="120" y="{40 + size * 0.36:.1f}" font-size="{size:.1f}" text-anchor="middle" font-weight="900" '
        f'fill="#111" font-family="Impact,{NARROW}" textLength="{em(shout) * size:.0f}" '
        f'lengthAdjust="spacingAndGlyphs">{escape(shout)}</text></g>'
    )
