"""What is made by seed: artworks, sign-up signals, synthetic users, the example."""

import numpy as np
import polars as pl
import pytest

from bandit.simulation.world import GENERAL
from batch.datasets import example, synthetic
from batch.datasets.artworks import FEATURES, LOOKS, make_artworks
from batch.datasets.dataset import DataSet
from batch.datasets.ratings import GENRES, genre_flags
from batch.datasets.signals import make_signals
from batch.workspace.tables import check_tables


@pytest.fixture(scope="module")
def dataset() -> DataSet:
    return synthetic.build(400, 50, seed=3)


def test_every_title_has_three_to_twenty_artworks(dataset: DataSet) -> None:
    counts = dataset.tables.artworks.group_by("title_id").len()["len"]
    assert len(counts) == 50
    assert counts.is_between(3, 20).all()


def test_every_title_has_one_artwork_for_each_genre_and_general_ones(dataset: DataSet) -> None:
    for title_id, genres in dataset.tables.titles.select("title_id", "genres").iter_rows():
        themes = dataset.tables.artworks.filter(pl.col("title_id") == title_id)["theme"].to_list()
        assert sorted(theme for theme in themes if theme != "general") == sorted(genres)
        assert 3 <= themes.count("general") <= 8


def test_a_title_without_genres_has_general_artworks_alone() -> None:
    titles = pl.DataFrame({"title_id": ["t1"], "genres": [[]]}, schema_overrides={"genres": pl.List(pl.String)})
    no_users, appeal = np.empty((0, len(GENRES))), np.zeros(1)
    frame, world = make_artworks(titles, seed=1, tastes=no_users, user_bias=no_users[:, 0], title_appeal=appeal)
    assert frame["theme"].unique().to_list() == ["general"]
    assert (world.artwork_theme == GENERAL).all()
    assert frame["is_default"].to_list() == [True] + [False] * (frame.height - 1)


def test_the_default_is_the_first_general_artwork(dataset: DataSet) -> None:
    artworks = dataset.tables.artworks
    first = artworks.filter(pl.col("theme") == "general").group_by("title_id", maintain_order=True).first()
    defaults = artworks.filter("is_default")
    assert defaults["artwork_id"].to_list() == first["artwork_id"].to_list()
    assert defaults["title_id"].to_list() == dataset.tables.titles["title_id"].to_list()


def test_features_say_theme_and_look(dataset: DataSet) -> None:
    for theme, look, features in dataset.tables.artworks.select("theme", "look", "features").iter_rows():
        named = {name for name, value in zip(FEATURES[:-2], features[:-2], strict=True) if value == 1.0}
        assert named == {f"look {look}"} | ({f"theme {theme}"} if theme != "general" else set())
        assert all(0.0 <= value < 1.0 for value in features[-2:])
        assert look in LOOKS


def test_truth_and_frame_speak_of_the_same_artworks(dataset: DataSet) -> None:
    tables, world = dataset.tables, dataset.world
    themes = [GENRES[theme] if theme != GENERAL else "general" for theme in world.artwork_theme]
    assert tables.artworks["theme"].to_list() == themes
    assert tables.artworks["title_id"].to_list() == tables.titles["title_id"].gather(world.artwork_title).to_list()
    np.testing.assert_array_equal(world.title_genres, genre_flags(tables.titles))


def test_a_data_set_is_already_in_the_order_of_its_tables(dataset: DataSet) -> None:
    checked = check_tables(dataset.tables)
    for name in ("users", "titles", "artworks"):
        assert getattr(checked, name).equals(getattr(dataset.tables, name), null_equal=True)


def test_the_same_seed_gives_the_same_data_set(dataset: DataSet) -> None:
    again = synthetic.build(400, 50, seed=3)
    assert again.tables.users.equals(dataset.tables.users, null_equal=True)
    assert again.tables.artworks.equals(dataset.tables.artworks, null_equal=True)
    np.testing.assert_array_equal(again.world.tastes, dataset.world.tastes)
    np.testing.assert_array_equal(again.world.artwork_clickbait, dataset.world.artwork_clickbait)


def test_another_seed_gives_another_data_set(dataset: DataSet) -> None:
    other = synthetic.build(400, 50, seed=4)
    assert not other.tables.users["context"].equals(dataset.tables.users["context"])
    assert not np.array_equal(other.world.tastes, dataset.world.tastes)


def test_a_context_is_a_noisy_view_of_the_taste(dataset: DataSet) -> None:
    contexts = np.array(dataset.tables.users["context"].to_list())  # (n, d)
    correlations = [np.corrcoef(contexts[:, 1 + g], dataset.world.tastes[:, g])[0, 1] for g in range(len(GENRES))]
    assert 0.6 < sum(correlations) / len(correlations) < 0.95


def test_titles_have_one_to_three_genres(dataset: DataSet) -> None:
    assert set(dataset.tables.titles["genres"].list.len()) == {1, 2, 3}


def test_most_users_came_by_no_campaign() -> None:
    found = make_signals(2000, seed=1)
    assert 0.8 < found["campaign"].null_count() / 2000 < 0.9
    assert found["country"].null_count() == found["device"].null_count() == 0


def test_the_example_has_twenty_users_and_is_the_same_on_every_call() -> None:
    one, other = example.build(), example.build()
    assert one.tables.users.height == 20
    assert one.tables.users.equals(other.tables.users, null_equal=True)
    assert one.tables.titles["name"].to_list() == list(example.NAMES)
