"""What an image shows, as numbers between -1 and 1: colour, contrast, composition, edges and faces.

Every image is measured at the same size, so a poster and its thumbnail are alike, and by fixed scales, so that a number does not
change when other images come or go. None of it was learned from images but the finder of faces, whose cascades come with OpenCV.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from bandit.arrays import F64

LONG_SIDE: Final = 256
"""Pixels of the longer side at which an image is measured."""

Pixels = npt.NDArray[np.uint8]

_GREY: Final = 0.08
"""Below this saturation a pixel has no hue worth counting."""
_DARK: Final = 0.2
_COLOURFUL: Final = 109.0
"""Hasler and Süsstrunk's scale: 109 is "extremely colourful"."""
_MOST_FACES: Final = 5
_LEAST_FACE: Final = 0.08
"""Of the longer side: smaller patches that look like faces are mostly none."""
_EVEN: Final = 0.02
"""Standard deviation of the lightness of a patch that shows nothing."""
_PATCHES: Final = 8
_SHARPEST: Final = 0.05
"""Variance of the Laplacian of lightness in an image of hard edges."""


@dataclass(frozen=True)
class Meaning:
    """A number's name, between which ends it lies, and what it says."""

    name: str
    low: float
    high: float
    says: str


MEANINGS: Final = (
    Meaning("hue_red", -1, 1, "mean hue, weighted by saturation, on the axis from cyan (-1) to red (1)"),
    Meaning("hue_violet", -1, 1, "mean hue, weighted by saturation, on the axis from yellow-green (-1) to violet (1)"),
    Meaning("saturation", 0, 1, "mean saturation: 0 is grey"),
    Meaning("brightness", 0, 1, "mean lightness"),
    Meaning("dark_share", 0, 1, "share of the image that is nearly black: lightness below 0.2"),
    Meaning(
        "colourfulness", 0, 1, "colourfulness of Hasler and Süsstrunk (2003), 1 where they say extremely colourful"
    ),
    Meaning(
        "contrast", 0, 1, "standard deviation of lightness (RMS contrast, Peli 1990), doubled: its largest value is 0.5"
    ),
    Meaning("range", 0, 1, "lightness of the 95th percentile minus that of the 5th"),
    Meaning("edge_share", 0, 1, "share of pixels on an edge (Canny 1986)"),
    Meaning(
        "upright_edges", -1, 1, "edges that stand (1) or lie (-1): (across - down) / (across + down) of the slopes"
    ),
    Meaning("sharpness", 0, 1, "variance of the Laplacian of lightness, on a logarithmic scale: 0 is blurred"),
    Meaning("weight_x", -1, 1, "where the detail lies: its centre from the left (-1) to the right (1)"),
    Meaning("weight_y", -1, 1, "the same from the top (-1) to the bottom (1)"),
    Meaning("centre_share", 0, 1, "share of the detail in the middle third by width and height"),
    Meaning("empty_share", 0, 1, "share of 64 patches that show nothing"),
    Meaning("symmetry", 0, 1, "likeness of the left half and the mirrored right half: 1 is alike"),
    Meaning("portrait", -1, 1, "shape: (height - width) / (height + width)"),
    Meaning("faces", 0, 1, "number of faces seen from the front, five and more as 1"),
    Meaning("face_size", 0, 1, "side of the largest face, as a share of the longer side of the image"),
    Meaning("face_x", -1, 1, "middle of the largest face from left to right; 0 without a face"),
    Meaning("face_y", -1, 1, "middle of the largest face from top to bottom; 0 without a face"),
)
"""What stands at each place of an image's numbers."""


def image_numbers(pixels: Pixels) -> F64:
    """The numbers of ``MEANINGS``, in their order, (21,).

    Args:
        pixels: red, green and blue, (height, width, 3), at any size.
    """
    cv2.setNumThreads(1)  # images are measured side by side, and one image's numbers do not depend on how many
    height, width = pixels.shape[:2]
    scale = LONG_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    colours = small.astype(np.float64) / 255
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    light = grey.astype(np.float64) / 255
    across, down = _slopes(light)
    numbers = [
        *_colour(colours),
        *_contrast(light),
        float(np.mean(cv2.Canny(grey, 100, 200) > 0)),
        _share(across.sum() - down.sum(), across.sum() + down.sum()),
        _sharpness(cv2.Laplacian(light, cv2.CV_64F)),
        *_composition(light, np.hypot(across, down)),
        (height - width) / (height + width),
        *_faces(_boxes(grey), light.shape),
    ]
    bounds = zip(numbers, MEANINGS, strict=True)
    return np.array([min(max(number, meaning.low), meaning.high) for number, meaning in bounds])


def read_pixels(path: Path) -> Pixels:
    """Red, green and blue of an image file, turned as its camera says, what is transparent on black; of several, the first.

    Raises:
        ValueError: says what is wrong with the file.
    """
    try:
        with Image.open(path) as opened:
            turned: Any = ImageOps.exif_transpose(opened)
            if turned.mode == "I" or turned.mode.startswith("I;"):  # 16 bits of grey, which convert() cuts off at 255
                turned = Image.fromarray((np.asarray(turned).astype(np.float64) / 257).clip(0, 255).astype(np.uint8))
            clear = turned.convert("RGBA")
            black = Image.new("RGBA", clear.size, (0, 0, 0, 255))
            return np.asarray(Image.alpha_composite(black, clear).convert("RGB"))
    except UnidentifiedImageError:
        raise ValueError("it is no image that Pillow reads") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"it cannot be read: {error}") from error


def _slopes(light: F64) -> tuple[F64, F64]:
    """How much lightness changes across and down, (h, w) each, at least 0."""
    padded = np.pad(light, 1, mode="edge")
    across = np.abs(padded[1:-1, 2:] - padded[1:-1, :-2])
    down = np.abs(padded[2:, 1:-1] - padded[:-2, 1:-1])
    return across, down


def _colour(colours: F64) -> tuple[float, ...]:
    """Hue on two axes, saturation, brightness, share of darkness, colourfulness."""
    red, green, blue = colours[..., 0], colours[..., 1], colours[..., 2]
    largest, smallest = colours.max(axis=2), colours.min(axis=2)
    saturation = np.divide(largest - smallest, largest, out=np.zeros_like(largest), where=largest > 0)
    # The hue as a direction: red at 0 degrees, green at 120, blue at 240.
    to_red, to_violet = red - (green + blue) / 2, math.sqrt(3) / 2 * (blue - green)
    length = np.hypot(to_red, to_violet)
    weight = np.where((saturation > _GREY) & (length > 0), saturation, 0.0)
    direction = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0) * weight
    against, between = red - green, (red + green) / 2 - blue
    colourfulness = math.hypot(against.std(), between.std()) + 0.3 * math.hypot(against.mean(), between.mean())
    return (
        _share((to_red * direction).sum(), weight.sum()),
        _share((to_violet * direction).sum(), weight.sum()),
        float(saturation.mean()),
        float(largest.mean() + smallest.mean()) / 2,
        float(((largest + smallest) / 2 < _DARK).mean()),
        255 * colourfulness / _COLOURFUL,
    )


def _contrast(light: F64) -> tuple[float, float]:
    low, high = np.percentile(light, (5, 95))
    return 2 * float(light.std()), float(high - low)


def _sharpness(laplacian: F64) -> float:
    return math.log1p(1000 * float(laplacian.var())) / math.log1p(1000 * _SHARPEST)


def _composition(light: F64, detail: F64) -> tuple[float, ...]:
    """Centre of the detail, its share in the middle, the share of empty patches, and likeness of left and right."""
    height, width = light.shape
    rows, columns = np.linspace(-1, 1, height), np.linspace(-1, 1, width)
    total = float(detail.sum())
    middle = detail[height // 3 : height - height // 3, width // 3 : width - width // 3]
    patches = [
        patch
        for strip in np.array_split(light, min(_PATCHES, height), axis=0)
        for patch in np.array_split(strip, min(_PATCHES, width), axis=1)
    ]
    return (
        _share((detail.sum(axis=0) * columns).sum(), total),
        _share((detail.sum(axis=1) * rows).sum(), total),
        _share(float(middle.sum()), total),
        float(np.mean([patch.std() < _EVEN for patch in patches])),
        1 - float(np.abs(light - light[:, ::-1]).mean()),
    )


def _faces(boxes: list[tuple[int, int, int]], shape: tuple[int, ...]) -> tuple[float, ...]:
    if not boxes:
        return 0.0, 0.0, 0.0, 0.0
    x, y, side = max(boxes, key=lambda box: (box[2], box))
    height, width = shape[:2]
    return (
        len(boxes) / _MOST_FACES,
        side / max(height, width),
        2 * (x + side / 2) / width - 1,
        2 * (y + side / 2) / height - 1,
    )


def _boxes(grey: Pixels) -> list[tuple[int, int, int]]:
    """Left, top and side of every face that OpenCV's frontal cascade finds (Viola and Jones 2001)."""
    least = max(20, round(_LEAST_FACE * max(grey.shape)))
    found = _finder()(grey, scaleFactor=1.1, minNeighbors=6, minSize=(least, least))
    return sorted((int(x), int(y), int(side)) for x, y, side, _ in found)


_OWN: Final = threading.local()  # a cascade keeps what it looks at in itself


def _finder() -> Callable[..., Any]:
    if not hasattr(_OWN, "finder"):
        _OWN.finder = cv2.CascadeClassifier(str(_cascade())).detectMultiScale
    finder: Callable[..., Any] = _OWN.finder
    return finder


@cache
def _cascade() -> Path:
    return Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"


def _share(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole > 0 else 0.0
