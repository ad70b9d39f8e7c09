"""What is read of an experiment beside its effects, and decides nothing: segments, days since exposure, and the holdback."""

from typing import Final

from artwork.console.tables import Sheet, printed
from bandit.experiments import Effect
from bandit.experiments.effects import UNLIKE
from batch.experiments.holdback import Holdback
from batch.experiments.quality import LEAST_USERS
from batch.experiments.reading import PEEK, Reading
from batch.experiments.segments import SegmentTest
from batch.experiments.since_exposure import SinceExposure

_NO: Final = "-"
_CLEAR: Final = 0.05
_ABOUT: Final = 12
"""Day from which on rows of a table stand for several days: terminals show the halves and the first days."""


def ends(lower: float, upper: float) -> str:
    """An interval."""
    return f"{lower:+.4g} to {upper:+.4g}"


def rest_lines(reading: Reading) -> list[str]:
    """All of them as text, where there are any."""
    lines = []
    if reading.segment_tests:
        lines += ["segments (to be read, not to decide by): do their effects differ?", *segments_lines(reading)]
        if reading.segments:
            lines.append(printed(segments_sheet(reading)))
    for one in reading.since_exposure:
        lines += [*time_lines(one), *([printed(time_sheet(one))] if one.found is not None else [])]
    if reading.holdback is not None:
        sheet = holdback_sheet(reading.holdback)
        lines += [*holdback_lines(reading.holdback), *([printed(sheet)] if sheet.rows else [])]
    return lines


def segments_lines(reading: Reading) -> list[str]:
    """Whether effects differ between the values of each segment, asked first, and what was left out."""
    lines = [_test_line(test) for test in reading.segment_tests]
    lines += [
        f"{test.segment}, {test.treatment}: left out, with fewer than {LEAST_USERS} users in a variant (treatment / control):"
        f" {', '.join(test.left_out)}"
        for test in reading.segment_tests
        if test.left_out
    ]
    if reading.kind == PEEK and any(test.p_value is not None for test in reading.segment_tests):
        lines.append("the tests hold for one look: whoever peeks every day will see segments differ that do not")
    return lines


def _test_line(test: SegmentTest) -> str:
    head = f"{test.segment}, {test.treatment}:"
    if test.mix_p_value is not None and test.mix_p_value < UNLIKE:
        return (
            f"{head} NOTHING is read: the variants have another mix of its values (p = {test.mix_p_value:.1g}), so it was not"
            " fixed before exposure, or users are missing; within it other users are compared"
        )
    if test.p_value is None or test.adjusted is None:
        return f"{head} cannot be told: {test.problem}"
    figures = f"p = {test.p_value:.3g}, adjusted {test.adjusted:.3g}, of {test.values} values"
    if not test.differs:
        return (
            f"{head} effects differ no more than by chance ({figures}): read the effect on everybody for each of them"
        )
    said = f"{head} effects DIFFER ({figures}): {test.share:.0%} of their scatter is not chance; read the shrunk ones"
    if test.lift_p_value is not None and test.lift_p_value >= _CLEAR:
        said += (
            f". As shares of the control they do not differ clearly (p = {test.lift_p_value:.2g}): a lift that is the same for"
            " all is larger where users do more"
        )
    return said


def segments_sheet(reading: Reading) -> Sheet:
    """The first primary within segments: alone, and shrunk; p-values are adjusted by Benjamini and Hochberg."""
    rows = [
        (f"{one.segment} = {one.value}", one.treatment, f"{one.users[0]:,} / {one.users[1]:,}", f"{one.effect.value:+.4g}",
         ends(one.effect.lower, one.effect.upper), f"{one.adjusted:.3g}", _NO if one.shrunk is None else f"{one.shrunk:+.4g}",
         _NO if one.shrunk_ends is None else ends(*one.shrunk_ends))
        for one in reading.segments
    ]  # fmt: skip
    columns = ("segment", "treatment", "users", "alone", "interval", "adjusted p", "shrunk", "shrunk interval")
    return Sheet(columns, rows, numbers_from=2)


def time_lines(one: SinceExposure) -> list[str]:
    """What the days since exposure say: whether the effect wears off."""
    head = f"{one.metric}, {one.treatment}, by days since exposure"
    if one.found is None:
        return [f"{head}: cannot be told: {one.problem}"]
    found, half = one.found, len(one.found.days) // 2
    of = f"{one.users[0]:,} / {one.users[1]:,} of {one.of_users[0]:,} / {one.of_users[1]:,} users"
    lines = [f"{head}: {len(found.days)} days of the same users, {of}"]
    # A share of a sum says nothing where the sum may be 0.
    is_clear = found.early_share is not None and min(found.early.p_value, found.late.p_value) < _CLEAR
    share = (
        f" The first {half} days make {found.early_share:.0%} of the whole."
        if is_clear and 0 <= (found.early_share or 0) <= 1
        else ""
    )
    if found.warning:
        lines.append(f"WARNING: {found.warning}.{share}")
    elif found.change.p_value < _CLEAR and found.change.value * found.late.value > 0:
        lines.append(
            f"the effect grows: {found.early.value:+.3g} per day in the first {half} days since exposure, {found.late.value:+.3g}"
            " after: what is read early is too small, as where habits are learned"
        )
    else:
        lines.append(
            f"nothing says that it wears off: {found.early.value:+.3g} per day in the first {half} days since exposure,"
            f" {found.late.value:+.3g} after (change {_told(found.change)})"
        )
    return [*lines, *(f"caution: {text}" for text in one.cautions)]


def time_sheet(one: SinceExposure) -> Sheet:
    """The effect per day since exposure, then of both halves and their difference."""
    found = one.found
    if found is None:
        return Sheet(("since exposure", "difference", "interval", "p"), [])
    half, count = len(found.days) // 2, len(found.days)
    effects = [
        *((f"day {day}", effect) for day, effect in enumerate(found.days, start=1)),
        (f"days 1 to {half}", found.early),
        (f"days {half + 1} to {count}", found.late),
        ("later minus earlier", found.change),
    ]
    if count > _ABOUT:
        effects = [effects[at] for at in (0, 1, 2, 6, 13, 20, 27) if at < count] + effects[count:]
    rows = [
        (name, f"{effect.value:+.4g}", ends(effect.lower, effect.upper), f"{effect.p_value:.3g}")
        for name, effect in effects
    ]
    return Sheet(("since exposure", "difference", "interval", "p"), rows, numbers_from=1)


def _told(effect: Effect) -> str:
    return f"{effect.value:+.3g}, {ends(effect.lower, effect.upper)}"


def holdback_lines(made: Holdback) -> list[str]:
    """What everybody else does more than those who were held back, over all days since the start."""
    head = f"holdback of {made.share:.0%}, {made.metric}, {made.first} to {made.last}"
    if made.effect is None:
        return [f"{head}: cannot be told: {made.problem}"]
    of = f"{made.users[0]:,} other users against {made.users[1]:,} held back"
    lines = [
        (
            f"{head}, the long-term reading: {of}: {_told(made.effect)}: what all experiments and launches brought together, this"
            " one's variants included"
        )
    ]
    lines += [f"caution: {made.caution}"] if made.caution else []
    if len(made.weeks) > 1:
        lines.append("its weeks are of one cohort, the users who came in the first of them:")
    return lines


def holdback_sheet(made: Holdback) -> Sheet:
    """The holdback by weeks."""
    rows = [
        (f"{week.first} to {week.last}", _NO, _NO)
        if (effect := week.effect) is None
        else (f"{week.first} to {week.last}", f"{effect.value:+.4g}", ends(effect.lower, effect.upper))
        for week in made.weeks
    ]
    return Sheet(("week", "difference", "interval"), rows, numbers_from=1)
