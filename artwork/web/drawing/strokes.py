"""What scenes are drawn with: dice, and strokes from a disc to a city.

A drawing is 240 wide and 360 high. Every function returns SVG elements as text, made of numbers and colours alone.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, TypeVar

from artwork.web.drawing.palettes import Palette

WIDTH, HEIGHT = 240, 360
Thing = TypeVar("Thing")
_RING: Final = (
    (500, 0), (490, 98), (462, 191), (416, 278), (354, 354), (278, 416), (191, 462), (98, 490), (0, 500), (-98, 490),
    (-191, 462), (-278, 416), (-354, 354), (-416, 278), (-462, 191), (-490, 98), (-500, 0), (-490, -98), (-462, -191),
    (-416, -278), (-354, -354), (-278, -416), (-191, -462), (-98, -490), (0, -500), (98, -490), (191, -462),
    (278, -416), (354, -354), (416, -278), (462, -191), (490, -98),
)  # fmt: skip
"""Points of a circle of 500 in 32 steps: far outside of the picture."""


class Dice:
    """Whole numbers that a text decides: the same text, the same numbers, on every machine."""

    def __init__(self, text: str) -> None:
        self._seed = text.encode("utf-8", "backslashreplace")
        self._bytes = b""
        self._round = 0

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included, of at most 65,536."""
        if len(self._bytes) < 2:
            self._bytes = hashlib.blake2b(self._seed, salt=self._round.to_bytes(8, "little")).digest()
            self._round += 1
        value = int.from_bytes(self._bytes[:2], "little")
        self._bytes = self._bytes[2:]
        return low + value * (high - low + 1) // 65536

    def one_of(self, things: Sequence[Thing]) -> Thing:
        """One of at least one."""
        return things[self.between(0, len(things) - 1)]


def ridge(dice: Dice, base: int, rise: int, steps: int, *, sharp: bool = False) -> str:
    """The outline of hills (or, sharp, of mountains) from the left edge to the right, closed below."""
    step = WIDTH // steps
    heights = [base - dice.between(0, rise) for _ in range(steps + 1)]
    if sharp:
        tops = "".join(f"L{place * step} {height}" for place, height in enumerate(heights))
        return f"M0 {HEIGHT}{tops}L{WIDTH} {heights[-1]}V{HEIGHT}Z"
    curves = "".join(
        f"C{place * step + step // 2} {heights[place]} {place * step + step // 2} {heights[place + 1]} "
        f"{(place + 1) * step} {heights[place + 1]}"
        for place in range(steps)
    )
    return f"M0 {HEIGHT}V{heights[0]}{curves}L{WIDTH} {heights[-1]}V{HEIGHT}Z"


def stars(palette: Palette, dice: Dice, count: int, low: int = 0, high: int = 220) -> str:
    """Points of light; every third is larger."""
    dots = [f"M{dice.between(4, 236)} {dice.between(low, high)}h0" for _ in range(count)]
    return (
        f'<g stroke="{palette.light}" stroke-linecap="round"><path d="{"".join(dots[::3])}" stroke-width="2.2"/>'
        f'<path d="{"".join(dots[1::3] + dots[2::3])}" stroke-width="1.1" opacity=".7"/></g>'
    )


def disc(x: int, y: int, radius: int, colour: str, opacity: float = 1) -> str:
    """A circle."""
    shown = "" if opacity == 1 else f' opacity="{opacity}"'
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{colour}"{shown}/>'


def shape(path: str, colour: str, opacity: float = 1) -> str:
    """A filled path."""
    shown = "" if opacity == 1 else f' opacity="{opacity}"'
    return f'<path d="{path}" fill="{colour}"{shown}/>'


def line(path: str, colour: str, width: float, opacity: float = 1, more: str = "") -> str:
    """A path that is drawn as a line."""
    shown = "" if opacity == 1 else f' opacity="{opacity}"'
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{shown}{more}/>'


def halo(x: int, y: int, radius: int, colour: str) -> str:
    """A disc with a faint one around it."""
    return (
        disc(x, y, radius * 5 // 2, colour, 0.1)
        + disc(x, y, radius * 8 // 5, colour, 0.16)
        + disc(x, y, radius, colour)
    )


def city(dice: Dice, low: int, high: int, width: int) -> tuple[str, str]:
    """Towers as a path, and their lit windows as dashes."""
    towers, windows, left = [], [], -4
    while left < WIDTH:
        wide = dice.between(width * 2 // 3, width * 4 // 3)
        top = dice.between(low, high)
        towers.append(f"M{left} 360V{top}h{wide}V360Z")
        windows += [f"M{left + dice.between(3, max(3, wide - 6))} {dice.between(top + 8, 300)}h3" for _ in range(3)]
        left += wide
    return "".join(towers), "".join(windows)


def rays(x: int, y: int, count: int, turn: int) -> str:
    """Beams from a point, every second one left out."""
    parts = []
    for place in range(count):
        start = _RING[(turn + place * 32 // count) % 32]
        end = _RING[(turn + place * 32 // count + 1) % 32]
        parts.append(f"M{x} {y}L{x + start[0]} {y + start[1]} {x + end[0]} {y + end[1]}Z")
    return "".join(parts)
