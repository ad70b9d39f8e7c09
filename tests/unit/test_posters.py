"""Posters: what they show is decided by their artwork, and no title of any kind breaks one."""

import re
import statistics
import sys
import time
from itertools import product
from xml.etree import ElementTree as ET

import pytest

from artwork.web.drawing.lettering import MAX_NAME, clean_name
from artwork.web.drawing.palettes import GENERAL, MOODS, hex_of, palette
from artwork.web.drawing.posters import LOOKS, PosterArtwork, PosterTitle, poster
from artwork.web.drawing.scenes import SCENES
from artwork.web.drawing.signs import SIGNS
from batch.datasets.artworks import LOOKS as KNOWN_LOOKS
from batch.datasets.ratings import GENRES

MAX_BYTES = 5000
SVG = "{http://www.w3.org/2000/svg}"
THEMES = (*GENRES, "general", "winter", "")
LOOKS_AND_OTHERS = (*KNOWN_LOOKS, "panorama", "")
NAMES = {
    "short": "Heat",
    "long": "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb",
    "empty": "",
    "blank": " \t\n ",
    "markup": "<script>alert(1)</script>",
    "entities": "&amp; \"quoted\" & 'single' ]]> <!-- -->",
    "ampersands": "&" * 200,
    "one word without end": "W" * 5000,
    "many words": "a " * 2000,
    "right to left": "السينما العربية",
    "hebrew and latin": "שלום World",
    "han": "千と千尋の神隠し",
    "emoji": "👩‍👩‍👧‍👦 🎬🍿" * 20,
    "combining": "Z" + "\u0301" * 400 + "algo",
    "controls": "a\x00b\x08c\x1bd\ufffee\uffff",
    "lone surrogates": "a\ud800b\udfff",
    "turned around": "abc\u202edef\u202c",
    "article": "Usual Suspects, The",
    "private use": "\ue000\U000f0000 x",
}


def draw(
    name: str = "Heat", theme: str = "Crime", look: str = "lead", *, title_id: str = "t1", clickbait: bool = False
) -> str:
    return poster(PosterTitle(title_id, name), PosterArtwork("a01", theme, look, clickbait))


def parsed(drawn: str) -> ET.Element:
    return ET.fromstring(drawn)  # noqa: S314 - our own drawing


def texts(drawn: str) -> list[str]:
    return [element.text or "" for element in parsed(drawn).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("look", LOOKS_AND_OTHERS)
def test_any_name_gives_a_small_valid_drawing(name: str, look: str) -> None:
    for theme, clickbait in product(THEMES, (False, True)):
        drawn = draw(name, theme, look, clickbait=clickbait)
        assert len(drawn.encode()) < MAX_BYTES, (theme, clickbait)
        assert parsed(drawn).tag == f"{SVG}svg"


def test_a_name_is_text_and_never_markup() -> None:
    drawn = draw("<script>x</script>")
    assert "<script" not in drawn
    assert "".join(texts(drawn)).replace(" ", "") == "<SCRIPT>X</SCRIPT>"


def test_ids_themes_and_looks_never_reach_the_drawing() -> None:
    hostile = "\"/><script>x</script>&'"
    drawn = poster(PosterTitle(hostile, "Heat"), PosterArtwork(hostile, hostile, hostile))
    assert "script" not in drawn
    assert parsed(drawn).tag == f"{SVG}svg"


def test_the_same_artwork_is_the_same_drawing() -> None:
    assert draw() == draw()


def test_two_artworks_of_a_title_are_two_drawings() -> None:
    drawn = {
        poster(PosterTitle("t1", "Heat"), PosterArtwork(f"a{number:02d}", "general", look))
        for number, look in enumerate(2 * KNOWN_LOOKS)
    }
    assert len(drawn) == 2 * len(KNOWN_LOOKS)


def test_every_genre_has_a_mood_a_place_and_a_sign_of_its_own() -> None:
    assert list(MOODS) == list(SCENES) == list(SIGNS) == list(GENRES)
    assert len(set(SIGNS.values())) == len({id(scene) for scene in SCENES.values()}) == len(GENRES)
    assert len({palette(mood, 0) for mood in [*MOODS.values(), GENERAL]}) == len(GENRES) + 1


def test_every_known_look_has_a_composition_of_its_own() -> None:
    assert set(LOOKS) == set(KNOWN_LOOKS)
    assert len({draw(look=look) for look in KNOWN_LOOKS}) == len(KNOWN_LOOKS)


def test_nothing_in_a_drawing_asks_for_anything_elsewhere() -> None:
    for theme, look in product(THEMES, LOOKS_AND_OTHERS):
        drawn = draw(theme=theme, look=look, clickbait=True).replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?:|url\((?!#)|href=\"(?!#)|style=|<script|<image|<foreignObject|\son\w+=", drawn), (
            theme,
            look,
        )


def test_clickbait_shouts() -> None:
    assert len(texts(draw(clickbait=True))) == len(texts(draw())) + 1


def test_type_stays_within_the_picture() -> None:
    for theme, look, name in product(THEMES, KNOWN_LOOKS, NAMES.values()):
        for element in parsed(draw(name, theme, look)).iter(f"{SVG}text"):
            assert 0 < float(element.attrib["textLength"]) <= 204.1
            assert 0 < float(element.attrib["y"]) <= 345


def test_a_name_that_runs_to_the_left_is_set_to_the_left() -> None:
    assert 'direction="rtl"' in draw(NAMES["right to left"])
    assert 'direction="rtl"' not in draw("Heat")


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("Usual Suspects, The", "The Usual Suspects"),
        ("American in Paris, An", "An American in Paris"),
        ("Avventura, L'", "L'Avventura"),
        ("a\u202eb\x00c\ud800", "abc"),
        (" two\n lines ", "two lines"),
        ("x" * 100, "x" * (MAX_NAME - 1) + "…"),
        ("", ""),
    ],
)
def test_a_name_is_cleaned(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned


def test_colours_agree_with_those_that_css_color_4_gives() -> None:
    # Values of the specification's examples for OKLCH, https://www.w3.org/TR/css-color-4/#specifying-oklab-oklch
    assert hex_of((0.0, 0.0, 0.0)) == "#000000"
    assert hex_of((1.0, 0.0, 0.0)) == "#ffffff"
    assert hex_of((0.51975, 0.17686, 142.495)) == "#008000"
    assert hex_of((0.452, 0.3132, 264.05)) == "#0000ff"


def test_type_stands_out_from_what_is_behind_it() -> None:
    for mood in [*MOODS.values(), GENERAL]:
        for turn in range(0, 360, 10) if mood is GENERAL else range(-21, 22, 7):
            colours = palette(mood, turn)
            assert contrast(colours.ink, colours.deep) > 4.5, (mood, turn)
            assert contrast(colours.light, colours.deep) > 4.5, (mood, turn)


def contrast(one: str, other: str) -> float:
    """Contrast as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_thousands_of_posters_are_small_and_their_time_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    seconds, sizes = [], []
    for number in range(4000):
        theme, look = THEMES[number % len(THEMES)], KNOWN_LOOKS[number % 8]
        began = time.perf_counter()
        drawn = draw(f"The {number} Long Harbours", theme, look, title_id=f"t{number}", clickbait=number % 9 == 0)
        seconds.append(time.perf_counter() - began)
        sizes.append(len(drawn.encode()))
    told = f"{statistics.median(seconds) * 1e3:.2f} ms and {statistics.mean(sizes):.0f} bytes, at most {max(sizes)}"
    with capsys.disabled():
        sys.stdout.write(f"\n  4000 posters: {told}\n")
    assert max(sizes) < MAX_BYTES
