"""What features are called, and which genres a user likes."""

import pytest

from artwork.web.words import feature_words, genre_words, likes
from batch.datasets.contexts import FEATURES
from batch.datasets.ratings import GENRES


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_has_words_for_both_sides_of_the_mean(feature: str) -> None:
    above, below = feature_words(feature, 1.0), feature_words(feature, -1.0)
    assert feature not in {above, below}
    assert (above == below) == (feature == "constant")


def test_features_of_other_data_keep_their_names() -> None:
    assert feature_words("feature 3", 0.5) == "feature 3 above the mean"
    assert genre_words("Telenovela") == "Telenovela"


@pytest.mark.parametrize(
    ("values", "liked"),
    [
        ({"Thriller": 1.5, "Drama": 0.5, "War": 0.3, "Comedy": 0.25}, ["thrillers", "dramas", "war films"]),
        ({"Thriller": 0.1}, []),
        ({"Thriller": -2.0, "activity": 3.0, "constant": 1.0}, []),
        ({"Sci-Fi": 0.2}, ["science fiction"]),
    ],
)
def test_likes_are_the_strongest_genres_above_the_mean(values: dict[str, float], liked: list[str]) -> None:
    context = [values.get(feature, 0.0) for feature in FEATURES]
    assert [like.words for like in likes(context, FEATURES)] == liked


def test_contexts_without_genres_say_nothing_of_likes() -> None:
    assert likes([3.0, 2.0], ("feature 0", "feature 1")) == []
    assert len(set(map(genre_words, GENRES))) == len(GENRES)
