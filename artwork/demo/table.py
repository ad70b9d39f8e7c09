"""The demo's table, a line per day as it ends, so that it reads the same on a terminal and in a file."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from artwork.demo.days import FIRST_DAY, DayResult
from artwork.demo.newcomers import NewcomerResult
from artwork.demo.tastes import BACK, NIGHTS_BEFORE, ShiftResult
from bandit.evaluation.live import Lead
from bandit.policies import Uniform

HEADER = (
    "              of the policy      expected on the same visits\n"
    "day         take    click     uniform    best    closed   answered by                 p50 ms   p99 ms"
)


def line(result: DayResult, label: str = "") -> str:
    """One day, under its date unless another label is given."""
    most = ", ".join(f"{source} {count / result.impressions:.1%}" for source, count in result.sources.most_common(1))
    rest = 1 - sum(count for _, count in result.sources.most_common(1)) / result.impressions
    shares = f"{most}, rest {rest:.1%}" if len(result.sources) > 1 else most
    explored = set(result.rates) == {Uniform.name}
    times = f"{result.p50_ms:6.2f} {result.p99_ms:8.2f}"
    day = label or str(FIRST_DAY + timedelta(days=result.day))
    return (
        f"{day:<10}  {result.take_rate:6.2%}  {result.click_through_rate:6.2%}      {result.uniform:6.2%}  {result.best:6.2%}"
        f"   {result.closed:6.0%}   {'uniform picks (explore data)' if explored else shares:30}{times}"
    )


def rates_line(rates: Mapping[str, float]) -> str:
    """What each policy's users took on a day, below its line."""
    return f"            {', '.join(f'{policy} {rate:.2%}' for policy, rate in rates.items())}"


def newcomer_line(result: NewcomerResult) -> str:
    """What a day came to for the titles that new artworks have joined, below its line."""
    return (
        f"            titles with new artworks: closed {result.closed:.0%} of {result.impressions:,} impressions;"
        f" new ones shown {result.where_best:.0%} of the time where best, {result.elsewhere:.0%} elsewhere"
        f" ({result.by_chance:.0%} under uniform)"
    )


def shift_line(words: str) -> str:
    """That tastes move, above the first day on which they are others."""
    return f"            {words}"


def back_line(shift: ShiftResult) -> str:
    """How soon the policy was back, below the summary."""
    day, nights = FIRST_DAY + timedelta(days=shift.day), shift.nights_until_back
    if shift.before <= 0:
        return (
            f"tastes moved on {day}: whether the policy is back cannot be told, as the days before closed {shift.before:.0%} on"
            f" average of up to {NIGHTS_BEFORE}; let more days pass before --shift-on"
        )
    when = "not by the last day" if nights is None else f"after {nights} night{'' if nights == 1 else 's'}"
    return (
        f"tastes moved on {day}: back at {BACK:.0%} of what the days before had closed ({shift.before:.0%} on average of up to"
        f" {NIGHTS_BEFORE}) {when}"
    )


def unjudged_line() -> str:
    """That tastes moved before there was a live day to be back at."""
    return "tastes moved on the first live day: there is no day before it that the policy could be back at"


def explore_line(share: float) -> str:
    """What the days of the table and the verdict are made of, where some users explore."""
    return (
        f"{100 * share:.3g}% of the users of a live day explored: the table and the verdict count the uniform picks that they"
        " were shown as well; the lines below each day have the policy's own"
    )


def summary(live: Sequence[DayResult], lead: Lead, policy: str) -> str:
    """What the days came to."""
    last = live[-1]
    word = "above" if lead.is_above else "not shown to be above"
    return (
        f"{policy} is {word} uniform: {100 * lead.difference:+.2f} points of the take rate{_relative(live, lead)}, 95 % interval"
        f" [{100 * lead.lower:+.2f}, {100 * lead.upper:+.2f}], clustered by {lead.users:,} users,"
        f" {lead.impressions:,} impressions\n"
        f"the last day closed {last.closed:.0%} of the way from uniform to the true best;"
        f" clickbait was shown {last.clickbait:.1%} of the time, {last.clickbait_uniform:.1%} under uniform"
    )


def _relative(live: Sequence[DayResult], lead: Lead) -> str:
    """The lead in relation to what uniform picks were expected to come to on these days."""
    expected = sum(day.uniform * day.impressions for day in live) / max(1, sum(day.impressions for day in live))
    return f" ({lead.difference / expected:+.0%})" if expected > 0 else ""
