"""The rows of the browse page, as a streaming service shows them to a user."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from statistics import fmean
from typing import Any, Final, Literal

from artwork.web.catalogue import Shelf
from artwork.web.days import DayCounts
from artwork.web.words import MOST_LIKES, genre_words, likes

Kind = Literal["because", "new", "trending", "genre", "again"]

LONGEST: Final = 20
SHORTEST: Final = 4
GENRE_ROWS: Final = 3
_POPULARITY_SHARE: Final = 0.3
"""What a standard deviation of popularity counts beside one of taste."""


@dataclass(frozen=True)
class Row:
    """A row of titles under a heading."""

    kind: Kind
    heading: str
    title_ids: Sequence[str]


def rows_of(shelf: Shelf, days: Sequence[DayCounts], user_id: str, taken: Sequence[str]) -> list[Row]:
    """The rows of a user, also of one whom the workspace does not know.

    Args:
        shelf: the tables.
        days: what they came to, in order.
        user_id: whose page it is.
        taken: the titles that the user took lately, the last first.
    """
    return _Rows(shelf, days, user_id).made(taken)


class _Rows:
    def __init__(self, shelf: Shelf, days: Sequence[DayCounts], user_id: str) -> None:
        self._shelf = shelf
        self._days = days
        takes: Mapping[str, int] = days[-1].takes if days else {}
        self._popularity = _standardised({title_id: float(takes.get(title_id, 0)) for title_id in shelf.title_rows})
        self._taste: Mapping[str, float] = {}
        self._likes: Sequence[str] = ()
        if (row := shelf.user_rows.get(user_id)) is not None:
            context = shelf.tables.users["context"][row].to_list()
            self._taste = dict(zip(shelf.features, context, strict=True))
            self._likes = [like.genre for like in likes(context, shelf.features, len(shelf.features))]
        self._used: set[str] = set()

    def made(self, taken: Sequence[str]) -> list[Row]:
        """Likes take turns with what is the same for everybody; a title stands in one row while there are others."""
        because = islice(filter(None, map(self._because, self._likes)), MOST_LIKES)
        trending = self._row(
            "trending", "Trending now", sorted(self._popularity, key=self._popularity.__getitem__, reverse=True)
        )
        rows: list[Row | None] = [next(because, None), trending, next(because, None), self._new(), next(because, None)]
        rows += [self._again(taken), *self._genres()]
        return [row for row in rows if row is not None]

    def _because(self, genre: str) -> Row | None:
        own = [title_id for title_id, row in self._shelf.title_rows.items() if genre in row["genres"]]
        return self._row(
            "because", f"Because you watch {genre_words(genre)}", sorted(own, key=self._liking, reverse=True)
        )

    def _new(self) -> Row | None:
        shown = {title_id for day in self._days for title_id in day.takes}
        return self._row(
            "new",
            "New here",
            sorted(self._shelf.title_rows, key=lambda title_id: _newness(self._shelf, title_id, shown)),
        )

    def _again(self, taken: Sequence[str]) -> Row | None:
        own = [title_id for title_id in taken if title_id in self._shelf.title_rows][:LONGEST]
        return Row("again", "Watch again", own) if len(own) >= SHORTEST else None

    def _genres(self) -> Iterable[Row | None]:
        counts: dict[str, int] = {}
        for row in self._shelf.title_rows.values():
            for genre in row["genres"]:
                counts[genre] = counts.get(genre, 0) + 1
        others = sorted(
            (genre for genre in counts if genre not in self._likes), key=lambda genre: (-counts[genre], genre)
        )
        for genre in others[:GENRE_ROWS]:
            own = [title_id for title_id, row in self._shelf.title_rows.items() if genre in row["genres"]]
            words = genre_words(genre)
            yield self._row("genre", words[:1].upper() + words[1:], sorted(own, key=self._liking, reverse=True))

    def _liking(self, title_id: str) -> float:
        """How much this user would like a title, from their taste in its genres and from its popularity."""
        known = [self._taste[genre] for genre in self._shelf.title_rows[title_id]["genres"] if genre in self._taste]
        return (fmean(known) if known else 0.0) + _POPULARITY_SHARE * self._popularity[title_id]

    def _row(self, kind: Kind, heading: str, title_ids: Sequence[str]) -> Row | None:
        fresh = [title_id for title_id in title_ids if title_id not in self._used]
        if len(fresh) < min(2 * SHORTEST, len(title_ids)):
            again = [title_id for title_id in title_ids if title_id in self._used]
            fresh += again[: 2 * SHORTEST - len(fresh)]
        own = fresh[:LONGEST]
        self._used.update(own)
        return Row(kind, heading, own) if own and (len(own) >= SHORTEST or kind in {"trending", "new"}) else None


def _newness(shelf: Shelf, title_id: str, shown: set[str]) -> tuple[Any, ...]:
    """First what nobody was shown yet, then what was added last, then by the year."""
    added: list[datetime] = [row["added_at"] for row in shelf.artwork_rows[title_id]]
    first = min(added).timestamp() if added else 0.0
    return title_id in shown, -first, -(shelf.title_rows[title_id]["year"] or 0), title_id


def _standardised(values: Mapping[str, float]) -> dict[str, float]:
    """Values less their mean, in standard deviations."""
    if not values:
        return {}
    mean = fmean(values.values())
    deviation = fmean((value - mean) ** 2 for value in values.values()) ** 0.5
    return {name: (value - mean) / deviation if deviation else 0.0 for name, value in values.items()}
