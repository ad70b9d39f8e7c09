"""What a poster shows: a place and a sign per theme, by name."""

from collections.abc import Callable
from typing import Final

from artwork.web.drawing.palettes import Palette
from artwork.web.drawing.strokes import Dice, city, disc, halo, line, rays, ridge, shape, stars

Scene = Callable[[Palette, Dice], str]


def _action(p: Palette, d: Dice) -> str:
    x, y = d.between(70, 170), d.between(150, 190)
    towers, windows = city(d, 190, 270, 26)
    return (
        shape(rays(x, y, 16, d.between(0, 1)), p.glow, 0.3)
        + halo(x, y, 40, p.light)
        + shape(towers, p.near)
        + line(windows, p.light, 3, 0.7)
        + shape(ridge(d, 330, 26, 8, sharp=True), p.deep)
    )


def _adventure(p: Palette, d: Dice) -> str:
    x = d.between(50, 190)
    peak = d.between(80, 160)
    return (
        halo(x, 120, 34, p.light)
        + shape(f"M{peak - 150} 300L{peak} 110 {peak + 150} 300Z", p.middle)
        + shape(
            f"M{peak - 32} 150L{peak} 110 {peak + 32} 150 {peak + 14} 146 {peak} 162 {peak - 12} 146Z", p.light, 0.85
        )
        + shape(ridge(d, 262, 50, 5, sharp=True), p.far)
        + shape(ridge(d, 300, 34, 4), p.near)
        + line("M118 360C100 330 160 318 136 296S124 276 130 268", p.light, 3, 0.6)
        + shape(ridge(d, 346, 26, 5), p.deep)
    )


def _animation(p: Palette, d: Dice) -> str:
    x = d.between(60, 180)
    cloud = "m0 0a18 18 0 0 1 30-14 24 24 0 0 1 44 4 16 16 0 0 1 6 26H2a14 14 0 0 1-2-16Z"
    return (
        disc(x, 130, 62, p.light, 0.9)
        + line(f"M{x - 96} 148C{x - 120} 176 {x + 60} 140 {x + 96} 108", p.accent, 8, 0.9)
        + shape(f"M{d.between(-20, 30)} {d.between(80, 110)}{cloud}", p.ink, 0.85)
        + shape(f"M{d.between(120, 180)} {d.between(170, 200)}{cloud}", p.ink, 0.7)
        + shape(ridge(d, 280, 50, 3), p.accent)
        + shape(ridge(d, 318, 50, 3), p.far)
        + shape(ridge(d, 350, 40, 2), p.near)
        + stars(p, d, 12, 10, 120)
    )


def _children(p: Palette, d: Dice) -> str:
    x, y = d.between(70, 170), d.between(80, 110)
    return (
        "".join(
            line("M-30 300A150 150 0 0 1 270 300", colour, 13, 0.75, f' transform="translate(0 {shift})"')
            for colour, shift in ((p.accent, -26), (p.light, -12), (p.glow, 2))
        )
        + shape(f"M{x - 36} {y}a36 38 0 0 1 72 0c0 26-22 34-28 52h-16c-6-18-28-26-28-52Z", p.accent)
        + shape(f"M{x - 13} {y}c0-24 6-36 13-38 7 2 13 14 13 38 0 28-4 34-6 52h-14c-2-18-6-24-6-52Z", p.light)
        + shape(f"M{x - 9} {y + 58}h18l-3 15h-12Z", p.near)
        + shape(ridge(d, 286, 40, 3), p.middle)
        + shape(ridge(d, 320, 40, 2), p.far)
        + shape(ridge(d, 352, 30, 3), p.near)
    )


def _comedy(p: Palette, d: Dice) -> str:
    bits = "".join(f"M{d.between(6, 230)} {d.between(8, 250)}l{d.between(3, 9)} {d.between(-7, 7)}" for _ in range(16))
    more = "".join(f"M{d.between(6, 230)} {d.between(8, 250)}l{d.between(3, 9)} {d.between(-7, 7)}" for _ in range(16))
    return (
        shape(rays(120, 190, 16, 0), p.light, 0.55)
        + disc(120, 190, 84, p.accent)
        + disc(120, 190, 70, p.light, 0.35)
        + line(bits, p.accent, 5)
        + line(more, p.near, 5)
        + shape("M0 316C60 296 180 296 240 316V360H0Z", p.near)
    )


def _crime(p: Palette, d: Dice) -> str:
    far, _ = city(d, 110, 200, 34)
    near, windows = city(d, 180, 270, 30)
    x = d.between(150, 200)
    return (
        disc(d.between(50, 120), 90, 26, p.light, 0.9)
        + shape(far, p.far, 0.7)
        + shape(near, p.near)
        + line(windows, p.light, 4, 0.9)
        + shape(f"M{x - 26} 182h14L{x + 34} 350H{x - 84}Z", p.light, 0.26)
        + line(f"M{x + 12} 350V186q0-12-12-12h-20", p.deep, 4)
        + disc(x - 19, 178, 6, p.light)
        + shape("M0 344H240V360H0Z", p.deep)
    )


def _documentary(p: Palette, d: Dice) -> str:
    x, y = d.between(90, 150), d.between(130, 160)
    globe = f"M{x - 92} {y}h184M{x} {y - 92}v184M{x - 80} {y - 46}h160M{x - 80} {y + 46}h160"
    return (
        disc(x, y, 92, p.far)
        + disc(x, y, 92, p.glow, 0.35)
        + f'<g fill="none" stroke="{p.ink}" opacity=".5"><path d="{globe}"/><circle cx="{x}" cy="{y}" r="92"/>'
        f'<ellipse cx="{x}" cy="{y}" rx="36" ry="92"/><ellipse cx="{x}" cy="{y}" rx="68" ry="92"/></g>'
        + line(f"M{x - 92} {y + d.between(20, 60)}C{x - 40} {y - 70} {x + 30} {y + 60} {x + 92} {y - 40}", p.accent, 3)
        + disc(x + d.between(-30, 30), y + d.between(-20, 30), 6, p.accent)
        + shape(ridge(d, 330, 30, 6), p.near)
        + shape(ridge(d, 350, 20, 5), p.deep)
    )


def _drama(p: Palette, d: Dice) -> str:
    x = d.between(70, 170)
    glints = "".join(
        f"M{x - w} {226 + k * 13}h{2 * w}" for k, w in enumerate(d.between(8, 40 - 2 * k) for k in range(9))
    )
    return (
        halo(x, 190, 46, p.light)
        + shape("M0 212H240V360H0Z", p.far)
        + line(glints, p.light, 2.5, 0.65)
        + shape(f"M0 214C30 196 60 206 {d.between(80, 110)} 214Z", p.near)
        + shape(f"M240 214C214 190 180 204 {d.between(150, 176)} 214Z", p.near)
        + shape("M0 334C60 318 170 350 240 326V360H0Z", p.deep)
    )


def _fantasy(p: Palette, d: Dice) -> str:
    x = d.between(90, 150)
    return (
        line(f"M-10 {d.between(60, 120)}C70 20 150 170 250 {d.between(50, 110)}", p.glow, 34, 0.32)
        + line(f"M-10 {d.between(100, 150)}C90 60 130 190 250 {d.between(90, 130)}", p.accent, 20, 0.32)
        + stars(p, d, 24, 0, 160)
        + disc(d.between(40, 80), d.between(60, 90), 22, p.light, 0.95)
        + shape(ridge(d, 268, 70, 5, sharp=True), p.far)
        + f'<g transform="translate({x} 232)">'
        + shape(
            "M-46 70V8h8v-8h6v8h6V-20h-3l11-26 11 26h-3V-4h6V-54h-4l14-36 14 36h-4V-4h6v-18h-3l11-26 11 26h-3V8h10v62Z",
            p.near,
        )
        + line("M2-34v6M-18-6v6M24-8v6M-34 20v6M34 20v6", p.light, 3)
        + "</g>"
        + shape(ridge(d, 318, 36, 4), p.near)
        + shape(ridge(d, 348, 26, 5), p.deep)
    )


def _noir(p: Palette, d: Dice) -> str:
    lean = d.between(14, 34)
    slats = "".join(f"M-10 {y}L250 {y - lean}v13L-10 {y + 13}Z" for y in range(30, 330, 26))
    return (
        shape("M0 0H240V360H0Z", p.near)
        + shape(slats, p.light, 0.5)
        + shape("M0 0H96L40 360H0Z", p.deep, 0.75)
        + line(f"M150 -10L{150 - lean} 370", p.near, 7)
        + shape("M0 330H240V360H0Z", p.deep)
    )


def _horror(p: Palette, d: Dice) -> str:
    x = d.between(80, 160)
    tree = "M0 150C4 100-4 70 2 30L-22-6 0 16 4-34 10 14 40-22 14 32C18 70 16 100 26 150Z"
    return (
        halo(x, 120, 66, p.light)
        + shape(ridge(d, 296, 20, 4), p.near)
        + f'<g fill="{p.deep}"><path transform="translate({d.between(6, 26)} 190)" d="{tree}"/>'
        + f'<path transform="translate({d.between(206, 226)} 176) scale(-1.150 1.2)" d="{tree}"/>'
        + f'<path transform="translate({x - 12} 248)" d="M-26 70V20l-8 2L0-22 14-4v-14h8v24l14 14-8-2v52Z"/></g>'
        + line(f"M{x - 26} 280h7M{x - 4} 268h6M{x - 4} 290h6", p.light, 7)
        + shape(ridge(d, 332, 22, 6), p.deep)
    )


def _musical(p: Palette, d: Dice) -> str:
    beams = "".join(
        f"M{x} -6L{x + lean - 34} 320H{x + lean + 34}Z"
        for x, lean in ((20, d.between(50, 90)), (120, d.between(-20, 20)), (220, -d.between(50, 90)))
    )
    bars = "".join(f"M{x} 326v-{d.between(20, 110)}" for x in range(12, 240, 16))
    return (
        shape(beams, p.light, 0.26)
        + line(bars, p.accent, 9, 0.85, ' stroke-linecap="round"')
        + shape("M0 0C26 60 20 200-4 330H-10V0ZM240 0C214 60 220 200 244 330H250V0Z", p.near)
        + shape("M0 0H240C200 34 150 18 120 18S40 34 0 0Z", p.near)
        + shape("M0 322H240V360H0Z", p.deep)
        + line("M0 322H240", p.light, 2, 0.8)
    )


def _mystery(p: Palette, d: Dice) -> str:
    def trunks(count: int, width: int) -> str:
        return "".join(f"M{d.between(0, 236)} 0v360h{width + d.between(0, 4)}V0Z" for _ in range(count))

    x = d.between(90, 150)
    return (
        shape(trunks(6, 5), p.middle, 0.8)
        + shape("M0 200C80 170 160 220 240 190V360H0Z", p.glow, 0.25)
        + shape(trunks(4, 9), p.far)
        + shape("M0 250C90 220 150 270 240 236V360H0Z", p.glow, 0.25)
        + halo(x, 236, 13, p.light)
        + shape(f"M{d.between(4, 30)} 0c4 130-4 260-14 360h36C20 260 24 130 28 0Z", p.deep)
        + shape(f"M{d.between(196, 214)} 0c4 130-4 260-14 360h44c-6-100-2-230 2-360Z", p.deep)
        + shape(ridge(d, 340, 18, 4), p.deep)
    )


def _romance(p: Palette, d: Dice) -> str:
    x = d.between(84, 156)
    petals = "".join(f"M{d.between(0, 236)} {d.between(10, 300)}q8-7 12 3-8 6-12-3Z" for _ in range(14))
    return (
        halo(x, 170, 56, p.light)
        + shape("M0 150C40 128 90 146 130 138S210 120 240 134V156C190 146 160 160 110 160S30 164 0 168Z", p.ink, 0.3)
        + shape(ridge(d, 250, 26, 3), p.middle)
        + shape(ridge(d, 286, 30, 3), p.far)
        + shape(ridge(d, 330, 30, 3), p.near)
        + shape(petals, p.accent, 0.95)
    )


def _scifi(p: Palette, d: Dice) -> str:
    x, y, r = d.between(80, 160), d.between(110, 150), d.between(54, 70)
    return (
        stars(p, d, 42, 0, 300)
        + disc(x, y, r + 22, p.glow, 0.14)
        + disc(x, y, r, p.glow)
        + shape(
            f"M{x - r} {y}A{r} {r} 0 0 0 {x + r} {y}C{x + r // 2} {y + r // 3} {x - r // 2} {y + r // 3} {x - r} {y}Z",
            p.middle,
        )
        + shape(f"M{x} {y - r}A{r} {r} 0 0 1 {x} {y + r}A{r * 5 // 4} {r * 5 // 4} 0 0 0 {x} {y - r}Z", p.sky, 0.7)
        + f'<ellipse cx="{x}" cy="{y}" rx="{r * 7 // 4}" ry="{r // 3}" fill="none" stroke="{p.accent}" stroke-width="5"'
        f' transform="rotate(-18 {x} {y})" stroke-dasharray="{r * 3} {r * 3 // 2}"/>'
        + shape("M0 318C80 290 160 290 240 318V360H0Z", p.near)
        + line("M0 318C80 290 160 290 240 318", p.light, 1.5, 0.8)
        + shape(f"M{d.between(30, 60)} 330v-40h6v-26l4-14 4 14v26h8v40Z", p.deep)
    )


def _thriller(p: Palette, d: Dice) -> str:
    x, y = d.between(90, 150), d.between(150, 180)
    return (
        "".join(
            f'<rect x="{x - w}" y="{y - h}" width="{2 * w}" height="{2 * h}" fill="{colour}"/>'
            for w, h, colour in ((96, 150, p.far), (66, 104, p.near), (42, 66, p.middle), (22, 36, p.light))
        )
        + shape(f"M0 360L{x - 22} {y + 36}H{x + 22}L240 360Z", p.deep, 0.75)
        + shape(f"M{x - 22} {y + 36}h44L{x + 70} 360H{x - 70}Z", p.light, 0.3)
        + line(
            f"M0 0L{x - 22} {y - 36}M240 0L{x + 22} {y - 36}M0 360L{x - 22} {y + 36}M240 360L{x + 22} {y + 36}",
            p.light,
            1,
            0.5,
        )
    )


def _war(p: Palette, d: Dice) -> str:
    plane = "l12-4 4-10 4 0-1 10 16 2 8-5 2 0-3 8-22 4-10 10-4 0 5-11Z"
    posts = "".join(f"M{x} {d.between(296, 304)}v30m-7-26l14 14m0-14l-14 14" for x in range(16, 240, 52))
    return (
        halo(d.between(60, 180), 210, 40, p.light)
        + line(f"M{d.between(30, 60)} 300C20 230 80 210 50 150S110 60 80 -10", p.near, 34, 0.5)
        + line(f"M{d.between(170, 210)} 300C150 250 220 220 190 170S230 90 210 -10", p.near, 26, 0.4)
        + "".join(shape(f"M{d.between(20, 190)} {d.between(60, 150)}{plane}", p.deep) for _ in range(3))
        + shape(ridge(d, 276, 34, 7, sharp=True), p.far)
        + shape(ridge(d, 318, 20, 8, sharp=True), p.near)
        + line(posts + "M0 308C60 300 80 316 120 308S200 300 240 310", p.deep, 2)
        + shape(ridge(d, 346, 20, 6), p.deep)
    )


def _western(p: Palette, d: Dice) -> str:
    x = d.between(70, 170)
    cactus = "M-7 60V-40a7 7 0 0 1 14 0v44h8a6 6 0 0 0 6-6v-18a6 6 0 0 1 12 0v20a16 16 0 0 1-16 16h-10v44Z"
    arm = "M-7 26h-8a16 16 0 0 1-16-16v-16a6 6 0 0 1 12 0v14a6 6 0 0 0 6 6h6Z"
    mesa = d.between(8, 40)
    return (
        halo(x, 168, 62, p.light)
        + shape(f"M{mesa - 50} 270l16-84h70l8 18h22l10 66ZM{mesa + 130} 270l10-60h66l12 60Z", p.middle)
        + shape("M0 262C70 250 150 272 240 256V360H0Z", p.far)
        + shape(ridge(d, 316, 20, 3), p.near)
        + f'<g transform="translate({d.between(28, 56)} 286)">'
        + shape(cactus + arm, p.deep)
        + "</g>"
        + shape(ridge(d, 350, 18, 4), p.deep)
    )


def _dunes(p: Palette, d: Dice) -> str:
    x = d.between(60, 180)
    return (
        "".join(disc(x, 170, radius, colour, 0.5) for radius, colour in ((118, p.middle), (88, p.glow), (56, p.light)))
        + shape(f"M0 360V250C60 {d.between(190, 240)} 150 {d.between(270, 320)} 240 {d.between(200, 250)}V360Z", p.far)
        + shape(f"M0 360V310C80 {d.between(260, 300)} 160 {d.between(320, 350)} 240 {d.between(270, 310)}V360Z", p.near)
    )


def _arches(p: Palette, d: Dice) -> str:
    x = d.between(90, 150)
    return "".join(
        shape(f"M{x - half} 360V{top}a{half} {half} 0 0 1 {2 * half} 0V360Z", colour)
        for half, top, colour in ((112, 180, p.far), (88, 190, p.middle), (62, 204, p.glow), (36, 222, p.light))
    ) + shape("M0 336H240V360H0Z", p.near)


def _waves(p: Palette, d: Dice) -> str:
    tones = (p.middle, p.glow, p.far, p.middle, p.near, p.deep)
    return disc(d.between(50, 190), 96, 38, p.light, 0.9) + "".join(
        f'<path fill="{tone}" d="M0 360V{top}q30-{rise} 60 0t60 0 60 0 60 0V360Z"/>'
        for tone, top, rise in zip(tones, range(150, 360, 36), (d.between(18, 44) for _ in tones), strict=False)
    )


def _facets(p: Palette, d: Dice) -> str:
    x, y = d.between(80, 160), d.between(120, 200)
    corners = (
        "0 0L240 0",
        "240 0L240 150",
        "240 150L240 360",
        "240 360L70 360",
        "70 360L0 360",
        "0 360L0 190",
        "0 190L0 0",
    )
    tones = (p.far, p.middle, p.glow, p.near, p.far, p.middle, p.light)
    turn = d.between(0, 6)
    return "".join(
        shape(f"M{x} {y}L{edge}Z", tones[(place + turn) % 7], 0.8) for place, edge in enumerate(corners)
    ) + disc(x, y, 30, p.light)


GENERAL_SCENES: Final[tuple[Scene, ...]] = (_dunes, _arches, _waves, _facets)
"""Places without a theme."""

SCENES: Final[dict[str, Scene]] = {
    "Action": _action,
    "Adventure": _adventure,
    "Animation": _animation,
    "Children's": _children,
    "Comedy": _comedy,
    "Crime": _crime,
    "Documentary": _documentary,
    "Drama": _drama,
    "Fantasy": _fantasy,
    "Film-Noir": _noir,
    "Horror": _horror,
    "Musical": _musical,
    "Mystery": _mystery,
    "Romance": _romance,
    "Sci-Fi": _scifi,
    "Thriller": _thriller,
    "War": _war,
    "Western": _western,
}
