"""What ``artwork experiment interleave`` says: a preference, whether splits agree on it, and what it is not."""

from artwork.console.tables import Sheet, printed
from artwork.reports.experiments.parts import ends
from artwork.reports.experiments.readings import quality_lines, quality_sheet
from batch.experiments.interleaving import CARRIES_OVER, InterleavedReading, Preference

_NO = "-"
NOT_A_LIFT = (
    "this is a preference, not a lift: titles compete for one visit, so what one variant wins may be what the other loses. It"
    " cannot say whether more is taken in all, or whether users stay: a test that splits users can"
)


def render_interleaved(made: InterleavedReading) -> str:
    """Quality first; preferences only where it passed."""
    look = f"look {made.look} of {len(made.looks)}, data until {made.day}"
    whose = f"{made.users:,} users, each with titles of {made.control} and of {made.treatment}"
    parts = [
        f"interleaving {made.name}, version {made.version}: {look}; {whose}",
        *(
            f"version {shift.version}, registered {shift.registered_at}, changed {change}"
            for shift in made.shifts
            for change in shift.changes
        ),
        *(f"caution: {text}" for text in made.cautions),
        *made.notes,
        printed(quality_sheet(made.checks)),
    ]
    if not made.is_readable:
        return "\n".join((*parts, *quality_lines(made.checks), "nothing is read: a check of quality failed"))
    parts.append(printed(_preferences(made)))
    parts += [line for one in made.preferences if one.metric.role == "primary" for line in _splits(made, one)]
    return "\n".join((*parts, NOT_A_LIFT))


def word_of(made: InterleavedReading, one: Preference) -> str:
    """Which variant users prefer, by the interval of the look."""
    if one.effect is None:
        return "cannot be told"
    if one.effect.lower <= 0 <= one.effect.upper:
        return "no clear preference"
    return f"{made.treatment if one.effect.value * one.metric.sign > 0 else made.control} preferred"


def _preferences(made: InterleavedReading) -> Sheet:
    columns = (
        "metric",
        "role",
        made.control,
        made.treatment,
        "difference",
        f"{made.level:.0%} interval",
        "p",
        "",
    )
    rows = []
    for one in made.preferences:
        told = (_NO, _NO, _NO)
        if one.effect is not None:
            told = (
                f"{one.effect.value:+.4g}",
                ends(one.effect.lower, one.effect.upper),
                f"{one.adjusted if one.adjusted is not None else one.effect.p_value:.3g}",
            )
        values = (f"{value:.5g}" for value in one.values)
        rows.append((one.metric.name, one.metric.role, *values, *told, word_of(made, one)))
    return Sheet(columns, rows, numbers_from=2)


def _splits(made: InterleavedReading, one: Preference) -> list[str]:
    """What each split says of a metric, and whether they agree."""
    if one.carry_over is None:
        return [f"{one.metric.name}: one split; whether one variant's titles change the other's needs two"] * bool(
            one.splits
        )
    sheet = Sheet(
        (f"titles of {made.treatment}", "users", f"difference in {one.metric.name}", "interval"),
        [
            (
                f"{split.share:.0%}",
                f"{split.users:,}",
                f"{split.effect.value:+.4g}",
                ends(split.effect.lower, split.effect.upper),
            )
            for split in one.splits
        ],
        numbers_from=1,
    )
    agree = f"p = {one.carry_over.p_value:.3g}, alarm below {CARRIES_OVER:g}"
    said = "splits agree: no carry-over is seen"
    if one.carries_over:
        said = "splits differ: one variant's titles change the other's"
    elif one.is_thin:
        said = "a split has too few users or rewards: whether they agree cannot be told"
    return [printed(sheet), f"{said} ({agree})"]
