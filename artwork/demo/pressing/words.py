"""What presses say: which tastes move where, and what days came to after a press."""

import math

from artwork.demo.days import DayResult
from bandit.arrays import I64
from batch.datasets.ratings import GENRES


def moved_words(genres: I64) -> str:
    """That tastes move to an order of genres (g,), with three examples of whose goes where."""
    names = [GENRES[genre] if genre < len(GENRES) else f"genre {genre}" for genre in range(len(genres))]
    some = [f"{names[before]} likes {names[genre]}" for genre, before in enumerate(genres.tolist())][:3]
    return f"tastes move: from the next day on whoever liked {', who liked '.join(some)}, and so on"


def rate_words(day: DayResult) -> str:
    """What was taken on a day."""
    return f"{day.take_rate:.1%} of impressions are taken, {day.closed:.0%} of the way from uniform to the best"


def closed_words(after: DayResult, before: DayResult | None) -> str:
    """How far a day was from uniform to the best, beside the day before."""
    was = f", {before.closed:.0%} the day before" if before is not None and math.isfinite(before.closed) else ""
    return f"day {after.day}: {rate_words(after)}{was}"


def rates_words(day: DayResult) -> str:
    """What was taken of each policy's picks."""
    return (
        f"day {day.day}: {', '.join(f'{policy} {rate:.1%}' for policy, rate in day.rates.items())} of impressions taken"
    )
