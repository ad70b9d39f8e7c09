"""A plan as text."""

import math

from artwork.console.tables import Sheet, printed
from artwork.size.estimates import RUN_ERROR
from artwork.size.plan import MOST_OFF, Plan, Planned

_HOW = (
    f"Intervals: of repeated runs, the lowest to the highest; of a run made once, {RUN_ERROR:.0%} either way. What was measured"
    " at several sizes is a straight line, and its interval is that of all lines that pass each run within this error and"
    " the most that the best line misses any of them by. Sums and products take the ends of their parts. Another machine needs"
    " figures of its own: --slopes."
)


def render(plan: Plan) -> str:
    """What was asked for, every figure with its interval and its source, the designs, and how far such plans can be trusted."""
    wanted = plan.wanted
    kind = "all of them" if wanted.is_dense else f"shortlists of {wanted.picks_per_user:,}"
    head = (
        f"{wanted.users:,} users, {wanted.titles:,} titles of {wanted.artworks:g} artworks (at most"
        f" {wanted.most_artworks}), {kind}; row format {wanted.form.number}; {wanted.rate:,.12g} artworks/s;"
        f" {wanted.impressions:,} impressions per day"
    )
    planned = Sheet(
        ("", "what", "figure", "from", "to", "", "source"),
        [
            (
                line.part,
                line.what,
                *(shown(value, line) for value in (line.value, line.low, line.high)),
                line.unit,
                line.source,
            )
            for line in plan.planned
        ],
    )
    others = Sheet(
        ("design", "bytes of a row", "per user, stored", "GB per generation", "beside", "gives up"),
        [
            (
                own.name,
                f"{own.row_bytes:,.0f}",
                f"{own.bytes_per_user:,.0f}",
                figure(own.gigabytes),
                f"{own.beside:+.0%}",
                own.gives_up,
            )
            for own in plan.designs
        ],
    )
    return "\n".join([head, *plan.told, printed(planned), _HOW, printed(others), *_trust(plan)])


def _trust(plan: Plan) -> list[str]:
    if not plan.checked:
        return ["No document has three sizes of the job, so no run tries these lines."]
    sheet = Sheet(
        ("a run that was left out", "planned", "measured", "off"),
        [(check.what, figure(check.planned), figure(check.measured), f"{check.off:+.1%}") for check in plan.checked],
    )
    return [
        f"The largest run, planned without it (expected within {MOST_OFF:.0%} for the job as a whole):",
        printed(sheet),
    ]


def shown(value: float, line: Planned) -> str:
    """A figure of a line: counts are whole."""
    is_count = not line.unit or line.unit == "requests/s"
    return f"{value:,.0f}" if is_count else figure(value)


def figure(value: float) -> str:
    """Three digits, and whole numbers from 100 on.

    >>> figure(104.27), figure(92512.0), figure(6.954), figure(0.0312)
    ('104', '92,512', '6.95', '0.0312')
    """
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
