"""Pictures that tests draw: each shows one thing."""

import numpy as np
from PIL import Image, ImageDraw

from batch.datasets.image_numbers import Pixels

Colour = tuple[int, int, int]


def plain(colour: Colour, width: int = 320, height: int = 240) -> Pixels:
    """One colour."""
    return np.asarray(Image.new("RGB", (width, height), colour))


def stripes(width: int = 320, height: int = 240, period: int = 32, *, lying: bool = False) -> Pixels:
    """Black and white stripes that stand, or lie."""
    rows, columns = np.mgrid[:height, :width]
    on = ((rows if lying else columns) // (period // 2)) % 2
    return np.repeat((255 * on)[..., None], 3, axis=2).astype(np.uint8)


def square(x: float, y: float, side: int = 60, width: int = 320, height: int = 240) -> Pixels:
    """A white square on black, its middle at shares of width and height."""
    image = Image.new("RGB", (width, height), (0, 0, 0))
    left, top = round(x * width) - side // 2, round(y * height) - side // 2
    ImageDraw.Draw(image).rectangle([left, top, left + side - 1, top + side - 1], fill=(255, 255, 255))
    return np.asarray(image)


def faces(*places: tuple[float, float, float], width: int = 320, height: int = 240) -> Pixels:
    """Faces as one draws them, at x and y and of a radius, in pixels."""
    image = Image.new("RGB", (width, height), (90, 90, 110))
    draw = ImageDraw.Draw(image)
    for x, y, r in places:
        draw.ellipse([x - 0.8 * r, y - r, x + 0.8 * r, y + r], fill=(225, 190, 170))
        draw.ellipse([x - 0.85 * r, y - 1.15 * r, x + 0.85 * r, y - 0.55 * r], fill=(50, 35, 25))
        for side in (-1, 1):
            eye, level = x + 0.33 * side * r, y - 0.15 * r
            draw.ellipse([eye - 0.2 * r, level - 0.14 * r, eye + 0.2 * r, level + 0.1 * r], fill=(120, 90, 80))
            draw.ellipse([eye - 0.09 * r, level - 0.09 * r, eye + 0.09 * r, level + 0.09 * r], fill=(20, 15, 15))
            draw.rectangle([eye - 0.22 * r, level - 0.3 * r, eye + 0.22 * r, level - 0.2 * r], fill=(60, 40, 30))
        draw.polygon([(x, y - 0.1 * r), (x - 0.12 * r, y + 0.3 * r), (x + 0.12 * r, y + 0.3 * r)], fill=(200, 160, 145))
        draw.ellipse([x - 0.3 * r, y + 0.42 * r, x + 0.3 * r, y + 0.58 * r], fill=(150, 70, 70))
    return np.asarray(image)
