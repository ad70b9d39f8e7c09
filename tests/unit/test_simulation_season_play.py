"""Seasons as they are played: exact propensities, kept picks, late artworks, and what is learned from."""

import numpy as np
import pytest
from seasons import contender, played, scene, season

from bandit.errors import InputError
from bandit.evaluation import learn
from bandit.hashing import hash_title, hash_users
from bandit.impressions import ImpressionLog
from bandit.policies import decide
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.arrivals import hours_to_find, impressions_to_find, late_arms
from bandit.simulation.seasons.chooser import PURPOSE
from bandit.simulation.seasons.simulate import Played, simulate
from bandit.simulation.studies.new_artworks import Dials, new_artwork_row
from bandit.simulation.world import by_title

POLICIES = ("uniform", "popularity", "thompson", "epsilon_greedy:epsilon=0.1", "linucb")


def so_far(made: Played, refresh: int) -> ImpressionLog:
    count = int(made.cuts[refresh])
    contexts = made.scene.contexts[made.visits.users[:count]]
    told = contexts, made.shown.arms[:count], made.shown.rewards[:count]
    return ImpressionLog(*told, propensities=None, n_arms=made.scene.n_arms, starts=made.scene.starts)


@pytest.mark.parametrize("word", POLICIES)
def test_propensities_are_those_of_decide_on_what_was_learned_before(word: str) -> None:
    made, refresh = played(word, new_arm_impressions=0), 3
    who, log = contender(word), so_far(made, refresh)
    learned = learn(log, who.kind)
    period = slice(*made.cuts[refresh : refresh + 2].tolist())
    states = hash_users(PURPOSE, made.seed, refresh, np.arange(made.scene.n_users, dtype=np.uint64))
    for title, places in by_title(made.visits.titles[period]):
        users = np.unique(made.visits.users[period][places])
        start, stop = made.scene.starts[title : title + 2].tolist()
        policy = who.policy.for_title(float(learned.shown[start:stop].sum()), float(len(log)))
        p = policy.probabilities(learned.scorer(np.arange(start, stop)).scores(made.scene.contexts[users]))
        drawn = decide(p, hash_title(states[users], np.uint64(title)), floor=0.02, total=4095)
        at = np.searchsorted(users, made.visits.users[period][places])
        assert made.shown.total == 4095
        assert np.array_equal(made.shown.arms[period][places] - start, drawn.arms[at])
        assert np.array_equal(made.shown.weights[period][places], drawn.weights[at])


@pytest.mark.parametrize("word", ["thompson", "epsilon_greedy:epsilon=0.5"])
def test_arms_are_shown_as_often_as_their_propensities_say(word: str) -> None:
    log = played(word, on=scene(300, 6), days=3, explore_days=1, arrival_day=2).log
    assert log.clusters is not None
    assert log.propensities is not None
    first = np.unique(log.clusters, return_index=True)[1]  # a decision counts once
    inverse = 1 / (log.propensities * log.n_eligible)[first]  # Σ_a p_a · 1 / (k p_a) = 1
    assert inverse.mean() == pytest.approx(1, abs=4 * inverse.std() / np.sqrt(len(first)))
    assert inverse.std() > 0.5


def test_explore_days_are_uniform() -> None:
    made = played("thompson")
    explore = slice(0, made.live.start)
    sizes = np.diff(made.scene.starts)[made.visits.titles[explore]]
    assert (np.abs(made.shown.weights[explore] - made.shown.total / sizes) <= 1).all()
    assert made.shown.drawn[explore].max() == made.season.first_live - 1


def test_all_policies_meet_the_same_visits_and_the_same_explore_days() -> None:
    first, other = played("thompson"), played("popularity")
    for name, values in vars(first.visits).items():
        assert np.array_equal(values, getattr(other.visits, name))
    explore = slice(0, first.live.start)
    assert np.array_equal(first.shown.arms[explore], other.shown.arms[explore])
    assert np.array_equal(first.shown.rewards[explore], other.shown.rewards[explore])
    assert (first.shown.arms[first.live] != other.shown.arms[first.live]).any()


def test_the_same_artwork_at_the_same_visit_is_received_alike() -> None:
    first, other = played("thompson"), played("epsilon_greedy:epsilon=0.3")
    same = first.shown.arms == other.shown.arms
    assert 0.2 < same[first.live].mean() < 1
    assert np.array_equal(first.shown.rewards[same], other.shown.rewards[same])


def test_a_seed_repeats_a_season_exactly_and_another_one_does_not() -> None:
    first, again, other = (simulate(scene(), season(), contender("thompson"), seed) for seed in (1, 1, 2))
    for name, values in vars(first.shown).items():
        assert np.array_equal(values, getattr(again.shown, name))
    assert (first.shown.arms != other.shown.arms).any()


def test_a_user_keeps_a_pick_for_the_sticky_hours_as_one_decision() -> None:
    made = played("thompson", cadence_hours=12, sticky_hours=48)
    users, titles, drawn = made.visits.users, made.visits.titles, made.shown.drawn
    decisions = (drawn * made.scene.n_titles + titles) * made.scene.n_users + users
    found, first, place = np.unique(decisions, return_index=True, return_inverse=True)
    assert np.array_equal(made.shown.arms, made.shown.arms[first][place])
    assert np.array_equal(made.shown.weights, made.shown.weights[first][place])
    assert made.log.clusters is not None
    assert made.log.batches is not None
    assert len(np.unique(made.log.clusters)) == len(np.unique(decisions[made.live])) < len(found)
    assert (made.periods - drawn).max() == 3
    assert np.array_equal(made.log.batches, drawn[made.live])


def test_without_stickiness_no_pick_outlives_its_period() -> None:
    made = played("thompson", cadence_hours=12)
    assert np.array_equal(made.shown.drawn, made.periods)


def test_a_late_artwork_is_the_best_of_its_title_and_not_shown_before_it_arrives() -> None:
    made = played("thompson", arrival_share=1.0)
    assert len(made.late) == (np.diff(made.scene.starts) >= 3).sum() > 0
    for arm in made.late.tolist():
        title = int(made.scene.world.artwork_title[arm])
        assert made.scene.takes[title].mean(axis=0).argmax() == arm - made.scene.starts[title]
    is_late = np.isin(made.shown.arms, made.late)
    assert not is_late[made.periods < made.season.arrival].any()
    assert is_late[made.periods >= made.season.arrival].any()


def test_a_new_artwork_is_guaranteed_its_share_at_once() -> None:
    made = played("greedy", arrival_share=1.0, new_arm_impressions=15)
    at = made.periods == made.season.arrival
    late = np.isin(made.shown.arms, made.late) & at
    assert made.shown.weights[late].min() >= 0.05 * made.shown.total
    assert 0.04 < late.sum() / at.sum() < 0.2  # a share, and not the whole title before anything is known


def test_a_share_of_the_titles_gets_a_new_artwork_the_same_whatever_the_policy() -> None:
    place = scene(10, 400)
    some = late_arms(place, season(arrival_share=0.2), 1)
    large = np.diff(place.starts) >= 3
    assert len(some) / large.sum() == pytest.approx(0.2, abs=0.06)
    assert set(some.tolist()) < set(late_arms(place, season(arrival_share=0.6), 1).tolist())
    assert some.tolist() != late_arms(place, season(arrival_share=0.2), 2).tolist()


def test_the_log_says_which_arms_a_decision_could_choose() -> None:
    made = played("thompson", cadence_hours=12, sticky_hours=48, arrival_share=1.0)
    log = made.log
    assert log.eligible is not None
    sizes = np.diff(made.scene.starts)
    titles = made.visits.titles[made.live]
    early = made.shown.drawn[made.live] < made.season.arrival
    lacks = np.isin(titles, made.scene.world.artwork_title[made.late]) & early
    assert np.array_equal(log.n_eligible, sizes[titles] - lacks)
    assert (early & (made.periods[made.live] >= made.season.arrival)).any()  # some keep picks from before


def test_the_log_of_a_uniform_season_is_uniform() -> None:
    made = played("uniform", arrival_share=0.5)
    assert made.log.propensities is not None
    assert (np.abs(made.log.propensities - 1 / made.log.n_eligible) <= 1 / made.shown.total).all()


def test_time_to_find_is_from_the_arrival_to_the_first_period_that_shows_it_to_half_of_those_it_is_best_for() -> None:
    place, dials = scene(), season(days=8, arrival_day=3, arrival_share=1.0)
    late = late_arms(place, dials, 1)[:1]
    title = int(place.world.artwork_title[late[0]])
    other = int(place.starts[title]) + (late[0] == place.starts[title])
    fans = np.flatnonzero(place.takes[title].argmax(axis=1) == late[0] - place.starts[title])[:4]
    strangers = np.flatnonzero(place.takes[title].argmax(axis=1) != late[0] - place.starts[title])[:3]
    shows = {3: (0, 4), 4: (1, 4), 5: (2, 4), 6: (4, 4)}  # fans who see it, of four, by period
    users, arms, periods = [], [], []
    for period, (seen, of) in shows.items():
        users += [*fans[:of], *strangers]
        arms += [late[0]] * seen + [other] * (of - seen) + [late[0]] * len(strangers)
        periods += [period] * (of + len(strangers))
    visits = np.array(users), np.array(arms), np.array(periods)
    assert hours_to_find(place, dials, late, *visits) == [48.0]
    assert impressions_to_find(place, dials, late, *visits) == [(14, 7)]  # of periods 3 and 4, strangers' included
    early = visits[2] < 5
    assert hours_to_find(place, dials, late, *(each[early] for each in visits)) == [None]
    assert impressions_to_find(place, dials, late, *(each[early] for each in visits)) == [None]


def test_a_short_period_finds_nothing_by_itself() -> None:
    place = scene()
    dials = season(days=8, arrival_day=3, arrival_share=1.0, cadence_hours=12)
    late = late_arms(place, dials, 1)[:1]
    title = int(place.world.artwork_title[late[0]])
    other = int(place.starts[title]) + (late[0] == place.starts[title])
    fan = int(np.flatnonzero(place.takes[title].argmax(axis=1) == late[0] - place.starts[title])[0])

    def found(*seen: int) -> list[float | None]:
        arms = [
            arm for count in seen for arm in [late[0]] * count + [other] * (3 - count)
        ]  # three visits every half day
        periods = np.repeat(np.arange(6, 6 + len(seen)), 3)
        return hours_to_find(place, dials, late, np.full(len(arms), fan), np.array(arms), periods)

    assert found(0, 2, 0, 0, 0, 0, 0, 0, 0, 2) == [None]
    assert found(0, 2, 0, 1, 2, 0, 0, 0, 0, 0) == [36.0]
    assert found(2, 2, 0, 0, 0, 0, 0, 0, 0, 0) == [0.0]


def test_a_policy_that_starts_from_nothing_plays_too() -> None:
    made = played("thompson", days=2, explore_days=0, arrival_day=0)
    first = slice(0, int(made.cuts[1]))
    sizes = np.diff(made.scene.starts)[made.visits.titles[first]]
    assert (np.abs(made.shown.weights[first] - made.shown.total / sizes) <= 2).all()


@pytest.mark.parametrize("posterior", ["beta", "linear", "logistic", "shared"])
def test_every_posterior_plays(posterior: str) -> None:
    made = played("thompson", posterior, on=scene(10, 4), days=2, explore_days=1, arrival_day=1)
    assert made.shown.weights[made.live].std() > 0


def test_a_posterior_that_needs_features_says_so_where_there_are_none() -> None:
    bare = Scene(scene().world, scene().contexts)
    with pytest.raises(InputError, match="features"):
        simulate(bare, season(), contender("thompson", "shared"), 1)


def test_a_scene_whose_contexts_are_not_its_users_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(40, d\)"):
        Scene(scene().world, scene().contexts[:-1])
    with pytest.raises(InputError, match="one row per artwork"):
        Scene(scene().world, scene().contexts, np.ones((3, 2)))


def test_a_pessimist_shows_new_artworks_less_at_first_and_a_row_of_the_study_says_what_came_of_them() -> None:
    dials = season(days=7, arrival_day=3, arrival_share=1.0)
    hopeful, doubtful = (
        new_artwork_row(scene(), "linear", Dials(new_floor=0.02, pessimism=share), 1, dials) for share in (1.0, 0.1)
    )
    assert hopeful.artworks == doubtful.artworks == len(late_arms(scene(), dials, 1))
    for row in (hopeful, doubtful):
        assert 0 <= row.found <= row.artworks
        assert row.own_impressions <= row.title_impressions
        assert (row.found > row.artworks // 2) == (row.hours < np.inf)
        assert row.closed < 1
    plays = [played("thompson", days=7, arrival_day=3, arrival_share=1.0, pessimism=share) for share in (1.0, 0.1)]
    first = [np.isin(made.shown.arms, made.late)[made.periods == 3].sum() for made in plays]
    assert first[1] < first[0]
