"""What is said of a choice is what the choice was made with."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from make_impressions import log_days, make_generation, picks_of, shorten
from scipy.special import expit
from scipy.stats import norm

from bandit.errors import InputError
from bandit.posterior.shared_weights import SharedWeights
from bandit.snapshot import TOTAL_WEIGHT, keyed_hash
from batch.choosing.chooser import USERS_A_BLOCK, Chooser
from batch.choosing.explain import LARGEST, explain
from batch.choosing.explanation import Explanation
from batch.datasets.contexts import FEATURES
from batch.workspace.generations import folder_of
from batch.workspace.workspace import Workspace

pytestmark = pytest.mark.usefixtures("two_blas_threads")

USERS = ("u0001", "u0300", "u0600")
SEED = 2

Make = Callable[..., "Explained"]


@dataclass(frozen=True)
class Explained:
    """A generation, the picks in its files, and explanations of some of them."""

    workspace: Workspace
    generation: int
    picks: pl.DataFrame

    def one(self, user: str = "u0001", title: str = "t0002") -> Explanation:
        return explain(self.workspace, user, title, None)

    def some(self) -> list[Explanation]:
        return [self.one(user, title) for user in USERS for title in ("t0001", "t0012")]

    def pick(self, made: Explanation) -> dict[str, object]:
        """The row of the picks file that an explanation is of."""
        is_it = (pl.col("user_id") == made.user_id) & (pl.col("title_id").cast(pl.String) == made.title_id)
        return self.picks.filter(is_it).row(0, named=True)


@pytest.fixture(scope="module")
def logged(written_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables, shortened, with two days of impressions; nobody else writes here."""
    root = tmp_path_factory.mktemp("logged")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    shorten(Workspace(root))
    log_days(Workspace(root), 2, 2000)
    return root


@pytest.fixture
def make(logged: Path, workspace: Workspace) -> Make:
    shutil.copytree(logged, workspace.root, dirs_exist_ok=True)

    def made(policy: str = "thompson", **settings: Any) -> Explained:
        generation = make_generation(workspace, policy, seed=SEED, **settings)
        return Explained(workspace, generation, picks_of(workspace, generation))

    return made


@pytest.mark.parametrize(
    ("policy", "posterior", "form", "total"),
    [
        *[
            (policy, posterior, 3, 4095)
            for policy in ("thompson", "epsilon_greedy", "greedy", "softmax:temperature=0.1", "linucb:alpha=1")
            for posterior in ("beta", "linear", "logistic", "shared")
        ],
        ("thompson", "linear", 2, 65535),
        ("softmax:temperature=0.1", "shared", 2, 65535),
    ],
)
def test_the_weight_of_what_is_shown_is_exactly_that_of_the_pick(
    make: Make, policy: str, posterior: str, form: int, total: int
) -> None:
    explained = make(policy, posterior=posterior, explore_share=0.2, row_format=form)
    for made in explained.some():
        pick = explained.pick(made)
        shown = next(artwork for artwork in made.artworks if artwork.artwork_id == made.shown)
        assert (shown.arm, shown.weight, made.policy) == (pick["arm"], pick["weight"], pick["policy"])
        assert made.recorded == shown.weight
        assert made.shown_propensity == shown.propensity == shown.weight / total
        assert sum(artwork.weight for artwork in made.artworks) == total


@pytest.mark.parametrize("policy", ["popularity", "uniform"])
def test_policies_that_know_no_context_are_explained_without_contributions(make: Make, policy: str) -> None:
    explained = make(policy)
    for made in explained.some():
        assert made.recorded == next(a.weight for a in made.artworks if a.artwork_id == made.shown)
        assert all(not artwork.contributions for artwork in made.artworks)


def test_probability_and_floor_add_up_to_the_propensity(make: Make) -> None:
    for made in make().some():
        for artwork in made.artworks:
            assert artwork.probability + artwork.floor == pytest.approx(artwork.propensity, abs=1e-15)
        assert sum(artwork.probability for artwork in made.artworks) == pytest.approx(1)
        assert sum(artwork.floor for artwork in made.artworks) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("posterior", ["linear", "logistic", "shared"])
def test_level_and_contributions_of_all_features_are_the_score(make: Make, posterior: str) -> None:
    explained = make(posterior=posterior)
    contexts = pl.read_parquet(explained.workspace.users).sort("user_id")
    for made in explained.some():
        context = np.array(contexts.filter(pl.col("user_id") == made.user_id)["context"][0])
        for artwork in made.artworks:
            parts = artwork.contributions
            assert len(parts) == min(LARGEST, np.count_nonzero(context[1:]))
            assert all(part.value == context[int(part.feature.removeprefix("feature "))] for part in parts)
            assert all(part.contribution == part.value * part.weight for part in parts)
            sizes = [abs(part.contribution) for part in parts]
            assert sizes == sorted(sizes, reverse=True)
            rest = artwork.score - artwork.level - sum(part.contribution for part in parts)
            assert abs(rest) <= 1e-12  # of six features one is constant, so that the five largest are all


def test_scores_of_the_logistic_posterior_are_told_as_rewards_too(make: Make) -> None:
    made = make(posterior="logistic").one()
    assert made.link == "logit"
    for artwork in made.artworks:
        scores = norm(artwork.score, artwork.score_deviation)
        mean, square = (scores.expect(moment) for moment in (expit, lambda s: expit(s) ** 2))
        assert artwork.mean == pytest.approx(mean, abs=1e-7)
        assert artwork.deviation == pytest.approx(np.sqrt(square - mean**2), abs=1e-6)


def test_the_deviation_of_the_shared_posterior_is_the_exact_one_and_not_that_of_its_draws(
    make: Make, workspace: Workspace
) -> None:
    made = make(posterior="shared").one("u0001", "t0001")
    kept = SharedWeights.load(folder_of(workspace, 1) / "posterior" / "shared.npz")
    context = np.array(pl.read_parquet(workspace.users).sort("user_id")["context"][0].to_list())
    exact = [kept.covariance(context, np.array([arm]))[0, 0] ** 0.5 for arm in range(len(made.artworks))]
    assert [artwork.deviation for artwork in made.artworks] == pytest.approx(exact, rel=1e-9)


def test_where_the_deviations_of_the_draws_decided_they_are_told(make: Make, workspace: Workspace) -> None:
    explained = make("linucb:alpha=3", posterior="shared")
    for made in explained.some():
        bounds = np.array([artwork.mean + 3 * artwork.deviation for artwork in made.artworks])
        best = next(place for place, artwork in enumerate(made.artworks) if artwork.probability == 1)
        assert bounds.argmax() == best
        chooser = Chooser(workspace, explained.generation)
        row = chooser.users.ids().to_list().index(made.user_id)
        block = row // USERS_A_BLOCK * USERS_A_BLOCK
        contexts = chooser.padded_contexts(block, min(USERS_A_BLOCK, chooser.users.count - block))
        title = chooser.catalogue.title_ids.index(made.title_id)
        drawn = chooser.variants[0].scoring.scores(title, contexts).deviations[row - block]
        assert [artwork.deviation for artwork in made.artworks] == pytest.approx(drawn, rel=1e-12)


def test_features_are_told_by_name_where_the_data_set_was_made_here(workspace: Workspace) -> None:
    log_days(workspace, 1, 500)
    make_generation(workspace, "thompson")
    assert told_features(explain(workspace, "u0001", "t0002", None)) <= set(FEATURES[1:])
    workspace.truth.unlink()
    places = {f"feature {place}" for place in range(1, len(FEATURES))}
    assert told_features(explain(workspace, "u0001", "t0002", None)) <= places


def told_features(made: Explanation) -> set[str]:
    told = {part.feature for artwork in made.artworks for part in artwork.contributions}
    assert told
    return told


def test_a_user_of_the_explore_share_is_told_to_be_one(make: Make) -> None:
    explained = make(explore_share=0.5)
    made = [explained.one(f"u{number:04d}") for number in range(1, 21)]
    assert {item.explores for item in made} == {True, False}
    for item in made:
        exploring = keyed_hash("explore", SEED, explained.generation, item.user_id, "") < 2**63
        assert (item.explores, item.policy) == (exploring, "uniform" if exploring else "thompson")


def test_new_artworks_are_told_and_their_impressions_are_those_of_the_log(make: Make, workspace: Workspace) -> None:
    made = make(new_arm_impressions=40).one(title="t0001")
    logged = pl.read_parquet(workspace.impressions / "*" / "*.parquet").filter(pl.col("title_id") == "t0001")
    shown = dict(logged.group_by("artwork_id").len().rows())
    assert {artwork.artwork_id: artwork.impressions for artwork in made.artworks} == shown
    assert all(artwork.new == (artwork.impressions < 40) for artwork in made.artworks)


def test_picks_of_earlier_generations_are_listed_the_newest_first(make: Make) -> None:
    make("uniform")
    explained = make("greedy")
    made = explained.one()
    assert [(pick.generation, pick.policy) for pick in made.earlier] == [(2, "greedy"), (1, "uniform")]
    assert made.earlier[0].artwork_id == made.shown
    assert explain(explained.workspace, "u0001", "t0002", 1).policy == "uniform"


def test_a_user_who_came_after_the_generation_is_explained_by_popularity(make: Make, workspace: Workspace) -> None:
    explained = make()
    users = pl.read_parquet(workspace.users)
    pl.concat([users, users[:1].with_columns(user_id=pl.lit("late"))]).write_parquet(workspace.users)
    made = explained.one("late")
    catalogue = pl.read_parquet(folder_of(workspace, 1) / "catalogue.parquet").filter(pl.col("title_id") == "t0002")
    assert (made.source, made.policy, made.recorded, made.earlier) == ("popularity", "popularity", None, [])
    assert [artwork.weight for artwork in made.artworks] == catalogue["popularity_weight"].to_list()
    point = keyed_hash("fallback", SEED, 1, "late", "t0002") * TOTAL_WEIGHT >> 64
    drawn = int(np.searchsorted(np.cumsum([artwork.weight for artwork in made.artworks]), point, side="right"))
    assert made.shown == catalogue["artwork_id"][drawn]


def test_a_title_that_is_not_among_a_users_candidates_is_explained_by_popularity(
    make: Make, workspace: Workspace
) -> None:
    pl.DataFrame({"user_id": ["u0001"], "title_ids": [["t0001"]]}).write_parquet(workspace.candidates)
    explained = make()
    assert explained.one(title="t0001").source == "personalized"
    assert explained.one(title="t0002").source == "popularity"


@pytest.mark.parametrize(
    ("user", "title", "generation", "said"),
    [
        ("u0601", "t0001", None, r"there is no user 'u0601' in generation 1 or .*, which has 600, such as u0"),
        (
            "u0001",
            "nothing",
            None,
            r"there is no title 'nothing' in generation 1, which has 12, such as t0001, t0002, t0003",
        ),
        ("u0001", "t0001", 9, r"generation 9 is not precomputed in .*; precomputed are 1"),
    ],
)
def test_who_or_what_is_not_known_is_refused_with_what_is(
    make: Make, user: str, title: str, generation: int | None, said: str
) -> None:
    explained = make("uniform")
    with pytest.raises(InputError, match=said):
        explain(explained.workspace, user, title, generation)
