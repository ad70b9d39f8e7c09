"""Colours of posters: a mood per theme, in OKLCH, so that moods differ in hue and agree in how light their parts are."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

Oklch = tuple[float, float, float]
"""Lightness (0 to 1), chroma, hue in degrees."""


@dataclass(frozen=True)
class Palette:
    """Colours as ``#rrggbb``, from the top of the sky to the silhouettes in front; ``ink`` is for type over the scrim."""

    sky: str
    middle: str
    glow: str
    far: str
    near: str
    deep: str
    light: str
    accent: str
    ink: str


@dataclass(frozen=True)
class Mood:
    """What a theme's colours are made from: hues of the sky's top, of its horizon, of lights and of the accent.

    ``key`` lifts (above 0) or lowers (below 0) the whole picture's lightness, ``chroma`` is how colourful it is.
    """

    sky: float
    glow: float
    light: float
    accent: float
    chroma: float = 0.1
    key: float = 0.0


GENERAL: Final = Mood(sky=0, glow=330, light=95, accent=300, chroma=0.052, key=0.04)
MOODS: Final = {
    "Action": Mood(sky=25, glow=52, light=80, accent=30, chroma=0.15, key=-0.02),
    "Adventure": Mood(sky=185, glow=85, light=95, accent=60, chroma=0.105, key=0.06),
    "Animation": Mood(sky=285, glow=340, light=95, accent=205, chroma=0.155, key=0.14),
    "Children's": Mood(sky=235, glow=210, light=98, accent=25, chroma=0.12, key=0.22),
    "Comedy": Mood(sky=78, glow=92, light=98, accent=355, chroma=0.155, key=0.34),
    "Crime": Mood(sky=262, glow=70, light=80, accent=45, chroma=0.085, key=-0.09),
    "Documentary": Mood(sky=200, glow=185, light=95, accent=35, chroma=0.045, key=0.1),
    "Drama": Mood(sky=15, glow=40, light=75, accent=20, chroma=0.075, key=-0.02),
    "Fantasy": Mood(sky=298, glow=165, light=130, accent=310, chroma=0.12, key=-0.01),
    "Film-Noir": Mood(sky=265, glow=250, light=90, accent=25, chroma=0.008, key=-0.06),
    "Horror": Mood(sky=20, glow=24, light=28, accent=26, chroma=0.15, key=-0.15),
    "Musical": Mood(sky=330, glow=355, light=90, accent=60, chroma=0.17, key=0.0),
    "Mystery": Mood(sky=205, glow=170, light=85, accent=190, chroma=0.065, key=-0.06),
    "Romance": Mood(sky=350, glow=35, light=60, accent=5, chroma=0.125, key=0.12),
    "Sci-Fi": Mood(sky=275, glow=215, light=200, accent=320, chroma=0.135, key=-0.06),
    "Thriller": Mood(sky=165, glow=120, light=118, accent=100, chroma=0.1, key=-0.12),
    "War": Mood(sky=105, glow=65, light=75, accent=40, chroma=0.06, key=-0.03),
    "Western": Mood(sky=35, glow=72, light=88, accent=45, chroma=0.125, key=0.06),
}
"""By the genres that themes are named after."""


@lru_cache(maxsize=1024)
def palette(mood: Mood, turn: int) -> Palette:
    """The colours of a mood, its hues turned by some degrees."""
    key, chroma = mood.key, mood.chroma

    def tone(lightness: float, saturation: float, hue: float) -> str:
        return hex_of((min(max(lightness, 0.03), 0.985), chroma * saturation, (hue + turn) % 360))

    return Palette(
        sky=tone(0.3 + key, 0.9, mood.sky),
        middle=tone(
            0.47 + key, 1.0, mood.sky * 0.55 + mood.glow * 0.45 if abs(mood.sky - mood.glow) < 180 else mood.sky
        ),
        glow=tone(0.7 + key * 0.8, 1.05, mood.glow),
        far=tone(0.4 + key * 0.9, 0.85, mood.sky),
        near=tone(0.26 + key * 0.6, 0.7, mood.sky),
        deep=tone(0.135 + key * (0.4 if key > 0 else 0.25), 0.45 + max(key, 0), mood.sky),
        light=tone(0.9 + key * 0.2, 0.75, mood.light),
        accent=tone(0.7 + key * 0.3, 1.35, mood.accent),
        ink=tone(0.965, 0.18, mood.light),
    )


@lru_cache(maxsize=4096)
def hex_of(colour: Oklch) -> str:
    """A colour as ``#rrggbb``; one that a screen cannot show loses chroma until it can.

    Björn Ottosson, "A perceptual color space for image processing" (2020).

    >>> hex_of((1.0, 0.0, 0.0)), hex_of((0.628, 0.2577, 29.23))
    ('#ffffff', '#ff0000')
    """
    lightness, chroma, hue = colour
    while True:
        linear = _linear(lightness, chroma, math.radians(hue))
        if chroma < 1e-4 or all(-1e-3 <= part <= 1.001 for part in linear):
            return "#" + "".join(f"{_byte(part):02x}" for part in linear)
        chroma *= 0.94


def _linear(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    l_root = lightness + 0.3963377774 * a + 0.2158037573 * b
    m_root = lightness - 0.1055613458 * a - 0.0638541728 * b
    s_root = lightness - 0.0894841775 * a - 1.2914855480 * b
    long, medium, short = l_root**3, m_root**3, s_root**3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _byte(linear: float) -> int:
    value = min(max(linear, 0.0), 1.0)
    encoded = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(encoded * 255)
