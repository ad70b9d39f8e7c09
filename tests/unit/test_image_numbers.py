"""What an image shows, as numbers: on pictures that each show one thing."""

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("PIL")

import drawn_images as drawn

from batch.datasets.image_numbers import MEANINGS, Pixels, image_numbers


def numbers(pixels: Pixels) -> dict[str, float]:
    return {meaning.name: float(value) for meaning, value in zip(MEANINGS, image_numbers(pixels), strict=True)}


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((255, 0, 0), {"hue_red": 1, "hue_violet": 0, "saturation": 1, "brightness": 0.5, "dark_share": 0}),
        ((0, 255, 255), {"hue_red": -1, "hue_violet": 0, "saturation": 1}),
        ((0, 0, 255), {"hue_red": -0.5, "hue_violet": 0.866, "saturation": 1}),
        ((0, 255, 0), {"hue_red": -0.5, "hue_violet": -0.866, "saturation": 1}),
        ((0, 0, 0), {"saturation": 0, "brightness": 0, "dark_share": 1, "colourfulness": 0, "hue_red": 0}),
        ((255, 255, 255), {"saturation": 0, "brightness": 1, "dark_share": 0, "colourfulness": 0}),
    ],
)
def test_a_plain_colour_has_its_hue_and_nothing_else(colour: drawn.Colour, expected: dict[str, float]) -> None:
    found = numbers(drawn.plain(colour))
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=0.01)
    assert [found[name] for name in ("contrast", "range", "edge_share", "sharpness", "faces")] == pytest.approx(
        [0] * 5, abs=1e-12
    )
    assert found["empty_share"] == 1
    assert found["symmetry"] == 1


def test_stripes_have_the_largest_contrast_and_say_which_way_they_run() -> None:
    standing, lying = numbers(drawn.stripes()), numbers(drawn.stripes(lying=True))
    assert standing["contrast"] == pytest.approx(1, abs=0.05)
    assert standing["range"] == pytest.approx(1, abs=0.01)
    assert standing["upright_edges"] == pytest.approx(1, abs=0.01)
    assert lying["upright_edges"] == pytest.approx(-1, abs=0.01)
    assert standing["edge_share"] > 0.05


@pytest.mark.parametrize(("x", "y"), [(0.25, 0.5), (0.75, 0.5), (0.5, 0.25), (0.5, 0.75), (0.3, 0.7)])
def test_detail_weighs_where_it_lies(x: float, y: float) -> None:
    found = numbers(drawn.square(x, y))
    assert found["weight_x"] == pytest.approx(2 * x - 1, abs=0.03)
    assert found["weight_y"] == pytest.approx(2 * y - 1, abs=0.03)
    assert 0.7 < found["empty_share"] < 1


def test_detail_in_the_middle_counts_as_centred() -> None:
    assert numbers(drawn.square(0.5, 0.5, side=40))["centre_share"] > 0.99
    assert numbers(drawn.square(0.1, 0.1, side=40))["centre_share"] < 0.01


def test_a_blurred_image_is_less_sharp() -> None:
    hard = drawn.stripes(period=16)
    shades = (127.5 + 127.5 * np.sin(2 * np.pi * np.arange(320) / 64)).astype(np.uint8)
    soft = np.repeat(np.tile(shades, (240, 1))[..., None], 3, axis=2)
    assert numbers(hard)["sharpness"] > 2 * numbers(soft)["sharpness"]


@pytest.mark.parametrize(
    ("places", "largest"),
    [
        ([(200, 110, 60)], (200, 110)),
        ([(90, 120, 45)], (90, 120)),
        ([(80, 120, 45), (230, 110, 60)], (230, 110)),
    ],
)
def test_faces_are_counted_and_the_largest_is_found(
    places: list[tuple[float, float, float]], largest: tuple[float, float]
) -> None:
    found = numbers(drawn.faces(*places))
    assert found["faces"] == pytest.approx(len(places) / 5)
    assert found["face_x"] == pytest.approx(2 * largest[0] / 320 - 1, abs=0.1)
    assert found["face_y"] == pytest.approx(2 * largest[1] / 240 - 1, abs=0.2)
    assert 0.2 < found["face_size"] < 0.6


def test_an_image_and_its_thumbnail_are_alike() -> None:
    large, small = (image_numbers(drawn.square(0.3, 0.6, 240 // k, 1280 // k, 960 // k)) for k in (1, 4))
    assert np.abs(large - small).max() < 0.05


def test_mirroring_turns_what_lies_left_to_the_right_and_nothing_else() -> None:
    pixels = drawn.faces((90, 120, 45), (230, 110, 30))
    found, mirrored = numbers(pixels), numbers(np.ascontiguousarray(pixels[:, ::-1]))
    for name, value in found.items():
        expected = -value if name in ("weight_x", "face_x") else value
        assert mirrored[name] == pytest.approx(expected, abs=0.06), name


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 3), (3000, 20)])
def test_every_shape_has_numbers_within_their_ends(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for value, meaning in zip(image_numbers(pixels), MEANINGS, strict=True):
        assert meaning.low <= value <= meaning.high, meaning.name


def test_every_number_can_move_and_says_what_it_is() -> None:
    pictures = [
        drawn.plain((200, 30, 30)),
        drawn.stripes(),
        drawn.square(0.2, 0.8),
        drawn.faces((120, 150, 60), height=480),
    ]
    measured = np.stack([image_numbers(picture) for picture in pictures])
    assert (np.ptp(measured, axis=0) > 0.01).all()
    assert all(meaning.says for meaning in MEANINGS)
    assert len({meaning.name for meaning in MEANINGS}) == len(MEANINGS)
