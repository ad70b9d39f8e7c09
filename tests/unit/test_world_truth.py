"""The simulated world: hand-worked probabilities, responses that follow them, and a file that keeps them."""

from dataclasses import replace
from math import exp
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bandit.errors import InputError
from bandit.simulation.world import GENERAL, Constants, World
from batch.datasets import synthetic

PLAIN = Constants(
    click_intercept=-1.0,
    click_match=1.0,
    click_appeal=0.5,
    click_quality=0.25,
    click_bait=2.0,
    watch_intercept=0.0,
    watch_affinity=1.0,
    watch_bait=1.0,
    watch_concentration=2.0,
    engaged_fraction=0.7,
)


@pytest.fixture
def small() -> World:
    """Two users, two titles, two genres; the second title has no genre."""
    return World(
        tastes=np.array([[1.0, -1.0], [0.0, 2.0]]),
        user_bias=np.array([0.5, -0.5]),
        title_appeal=np.array([1.0, -2.0]),
        title_genres=np.array([[True, True], [False, False]]),
        artwork_title=np.array([0, 0, 0, 1]),
        artwork_theme=np.array([0, 1, GENERAL, GENERAL]),
        artwork_quality=np.array([0.0, 2.0, 0.0, 4.0]),
        artwork_clickbait=np.array([False, False, True, False]),
        constants=PLAIN,
    )


@pytest.fixture(scope="module")
def large() -> World:
    return synthetic.build(300, 60, seed=11).world


def logistic(logit: float) -> float:
    return 1.0 / (1.0 + exp(-logit))


def visits(world: World, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    users = random.integers(len(world.tastes), size=count)
    return users, random.integers(len(world.artwork_title), size=count), random.random((count, 2))


def test_click_probabilities_are_those_worked_by_hand(small: World) -> None:
    found = small.click_probabilities(np.array([0, 1]), 0)
    # Intercept and appeal give -0.5; then match, 0.25 x quality, and 2 for clickbait.
    logits = [[-0.5 + 1.0, -0.5 - 1.0 + 0.5, -0.5 + 2.0], [-0.5 + 0.0, -0.5 + 2.0 + 0.5, -0.5 + 2.0]]
    np.testing.assert_allclose(found, [[logistic(logit) for logit in row] for row in logits], rtol=1e-12)


def test_a_general_artwork_is_clicked_alike_by_everybody(small: World) -> None:
    found = small.click_probabilities(np.array([0, 1]), 1)
    np.testing.assert_allclose(found, logistic(-1.0 - 1.0 + 1.0), rtol=1e-12)


def test_affinity_is_taste_bias_and_appeal_over_the_root_of_three(small: World) -> None:
    found = small.affinity_of(np.array([0, 1, 1]), np.array([0, 0, 1]))
    np.testing.assert_allclose(found, np.array([0.0 + 0.5 + 1.0, 1.0 - 0.5 + 1.0, 0.0 - 0.5 - 2.0]) / 3**0.5)


@pytest.mark.parametrize("bait", [False, True])
def test_engagement_is_the_tail_of_the_beta_distribution(small: World, *, bait: bool) -> None:
    mean = logistic(1.5 / 3**0.5 - bait)
    found = small.engaged_probability_of(np.array([0]), np.array([0]), np.array([bait]))
    np.testing.assert_allclose(found, [stats.beta(2 * mean, 2 * (1 - mean)).sf(0.7)], rtol=1e-9)


def test_a_take_is_a_click_that_engages(small: World) -> None:
    users = np.array([0, 1])
    engaged = np.column_stack(
        [small.engaged_probability_of(users, np.array([0]), np.array([bait])) for bait in (False, False, True)]
    )
    expected = small.click_probabilities(users, 0) * engaged
    np.testing.assert_allclose(small.take_probabilities(users, 0), expected, rtol=1e-12)


def test_probabilities_of_visits_equal_those_of_the_matrix(large: World) -> None:
    users, artworks, _ = visits(large, 500, seed=1)
    found = large.take_probability_of(users, artworks)
    expected = [
        large.take_probabilities(np.array([user]), title)[0, artwork - large.arms(title)[0]]
        for user, artwork in zip(users, artworks, strict=True)
        for title in [int(large.artwork_title[artwork])]
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_uniform_and_best_are_mean_and_maximum_of_the_arms(large: World) -> None:
    users, artworks, _ = visits(large, 400, seed=2)
    titles = large.artwork_title[artworks]
    uniform, best = large.uniform_and_best(users, titles)
    arms = large.best_arms(users, titles)
    for visit, (user, title) in enumerate(zip(users, titles, strict=True)):
        takes = large.take_probabilities(np.array([user]), int(title))[0]
        assert uniform[visit] == pytest.approx(takes.mean(), rel=1e-12)
        assert best[visit] == takes.max() == takes[arms[visit]]


def test_no_visits_have_no_expectations(large: World) -> None:
    none = np.array([], dtype=np.int64)
    uniform, best = large.uniform_and_best(none, none)
    assert uniform.shape == best.shape == (0,)


def test_a_response_is_the_inverse_distribution_at_its_uniforms(small: World) -> None:
    users, artworks = np.array([0, 0, 0]), np.array([0, 0, 0])
    click = logistic(0.5)
    mean = logistic(1.5 / 3**0.5)
    found = small.respond(users, artworks, np.array([[click - 1e-9, 0.25], [click + 1e-9, 0.25], [0.01, 0.9]]))
    quantile = stats.beta(2 * mean, 2 * (1 - mean)).ppf
    assert found.clicked.tolist() == [True, False, True]
    np.testing.assert_allclose(found.watch_fraction, [quantile(0.25), 0.0, quantile(0.9)], rtol=1e-6)
    assert found.watch_fraction.dtype == np.float32


def test_responses_occur_as_often_as_their_probabilities_say(large: World) -> None:
    users, artworks, uniforms = visits(large, 200_000, seed=3)
    found = large.respond(users, artworks, uniforms)
    for happened, probability in (
        (found.clicked, large.click_probability_of(users, artworks)),
        (found.watch_fraction >= 0.7, large.take_probability_of(users, artworks)),
    ):
        deviation = np.sqrt((probability * (1 - probability)).sum())
        assert abs(happened.sum() - probability.sum()) < 4 * deviation


def test_a_selection_responds_as_the_whole_does(large: World) -> None:
    users, titles = np.array([3, 7, 250]), np.array([0, 20, 59])
    part = large.select(users, titles)
    for place, title in enumerate(titles):
        whole = large.take_probabilities(users, int(title))
        np.testing.assert_array_equal(part.take_probabilities(np.arange(3), place), whole)


def test_a_saved_world_is_loaded_unchanged(small: World, tmp_path: Path) -> None:
    path = tmp_path / "simulation" / "world.npz"
    small.save(path)
    loaded = World.load(path)
    assert loaded.constants == small.constants
    assert [entry.name for entry in path.parent.iterdir()] == ["world.npz"]
    for name in ("tastes", "user_bias", "title_appeal", "title_genres", "artwork_title", "artwork_theme"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(small, name), strict=True)
    for name in ("artwork_quality", "artwork_clickbait"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(small, name), strict=True)


def test_the_same_world_is_saved_as_the_same_bytes(small: World, tmp_path: Path) -> None:
    small.save(tmp_path / "a.npz")
    small.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_missing_world_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"world\.npz is missing"):
        World.load(tmp_path / "world.npz")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_a_damaged_world_is_refused_with_its_path(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "world.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"world\.npz is not a simulated world"):
        World.load(path)


def test_an_array_alone_is_not_a_world(tmp_path: Path) -> None:
    path = tmp_path / "world.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match=r"world\.npz is not a simulated world"):
        World.load(path)


def test_a_world_that_lacks_an_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "world.npz"
    np.savez(path, tastes=np.zeros((1, 1)))
    with pytest.raises(InputError, match=r"world\.npz is not a simulated world"):
        World.load(path)


def test_constants_are_part_of_the_world(small: World) -> None:
    keener = replace(small, constants=replace(PLAIN, click_intercept=3.0))
    users = np.array([0, 1])
    assert (keener.click_probabilities(users, 0) > small.click_probabilities(users, 0)).all()
