"""Features of a context in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from batch.datasets.ratings import GENRES

GENRE_WORDS: Final = {
    "Action": "action films",
    "Adventure": "adventures",
    "Animation": "animation",
    "Children's": "children's films",
    "Comedy": "comedies",
    "Crime": "crime films",
    "Documentary": "documentaries",
    "Drama": "dramas",
    "Fantasy": "fantasy",
    "Film-Noir": "film noir",
    "Horror": "horror",
    "Musical": "musicals",
    "Mystery": "mysteries",
    "Romance": "romances",
    "Sci-Fi": "science fiction",
    "Thriller": "thrillers",
    "War": "war films",
    "Western": "westerns",
}
_OTHERS: Final = {
    "constant": ("everybody", "everybody"),
    "activity": ("watches more than most", "watches less than most"),
    "recency": ("was away for longer than most", "was here more lately than most"),
    "age": ("older than most", "younger than most"),
    "gender": ("male", "female"),
}
"""Of features above and below 0, which is the mean."""
_LEAST_LIKED: Final = 0.2
MOST_LIKES: Final = 3


@dataclass(frozen=True)
class Like:
    """A genre that a user likes: in words, by how many standard deviations more than the mean user, and its name."""

    words: str
    value: float
    genre: str


def genre_words(genre: str) -> str:
    """A genre as one speaks of its films; that of another catalogue as it is named there."""
    return GENRE_WORDS.get(genre, genre)


def feature_words(feature: str, value: float) -> str:
    """What a feature at a value says of a user."""
    if feature in GENRE_WORDS:
        return f"{'likes' if value > 0 else 'likes less than most:'} {GENRE_WORDS[feature]}"
    above, below = _OTHERS.get(feature, (f"{feature} above the mean", f"{feature} below the mean"))
    return above if value > 0 else below


def likes(context: Sequence[float], features: Sequence[str], most: int = MOST_LIKES) -> list[Like]:
    """The genres that a user likes more than most do, the strongest first; values are in standard deviations."""
    liked = [(value, name) for name, value in zip(features, context, strict=True) if name in GENRES]
    strongest = sorted(liked, key=lambda pair: -pair[0])[:most]
    return [Like(GENRE_WORDS[name], round(value, 3), name) for value, name in strongest if value >= _LEAST_LIKED]
