"""Seasons that learn other rewards than the take: what is learned, what is drawn, and what it comes to."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import chi2
from seasons import contender, scene, season

from bandit.impressions import ImpressionLog
from bandit.rewards import parse_reward
from bandit.simulation.seasons.chooser import Chooser
from bandit.simulation.seasons.objective_run import reached_by
from bandit.simulation.seasons.objectives import ages_of, diversity_of
from bandit.simulation.seasons.season_run import Run, ran
from bandit.simulation.seasons.simulate import Played, _Playing, simulate

MIXED = "weighted_sum:take=0.5,freshness=0.2,freshness.half_life=3,diversity=0.3"


@cache
def learned(word: str | None, seed: int = 1, arrival_share: float = 0.0, users: int = 40) -> Played:
    reward = None if word is None else parse_reward(word)
    who = replace(contender("thompson"), reward=reward)
    return simulate(scene(users), season(arrival_share=arrival_share), who, seed)


def test_the_take_by_name_is_what_is_learned_without_one() -> None:
    named, usual = learned("take"), learned(None)
    assert np.array_equal(named.shown.arms, usual.shown.arms)
    assert np.array_equal(named.shown.weights, usual.shown.weights)


def test_other_rewards_choose_otherwise_on_the_same_visits() -> None:
    one, other = learned(MIXED), learned("take")
    assert np.array_equal(one.visits.titles, other.visits.titles)
    assert (one.shown.arms != other.shown.arms).any()


def test_what_is_learned_is_the_reward_of_everything_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a plain loop over the visits: the user's day so far, days since the start or the arrival, and the take."""
    seen = []
    kept = Chooser.refresh

    def refreshed(self: Chooser, refresh: int, log: ImpressionLog) -> None:
        seen.append(log)
        kept(self, refresh, log)

    monkeypatch.setattr(Chooser, "refresh", refreshed)
    who = replace(contender("thompson"), reward=parse_reward(MIXED))
    made = simulate(scene(20, 6), season(arrival_share=0.5), who, 2)
    log, count = seen[-1], int(made.cuts[-2])
    assert len(log.rewards) == count
    assert len(made.late)
    themes, world = made.scene.world.artwork_theme, made.scene.world
    days = (made.visits.hours[:count] // 24).astype(int)
    for row in range(0, count, 37):
        user, title, arm = (int(x[row]) for x in (made.visits.users, made.visits.titles, made.shown.arms))
        same = [at for at in range(count) if days[at] == days[row] and made.visits.users[at] == user]
        rest = {int(made.shown.arms[at]) for at in same if made.visits.titles[at] != title}
        diversity = np.mean([themes[other] != themes[arm] for other in rest]) if rest else 1.0
        came = made.season.arrival_day if arm in made.late else 0
        freshness = 2 ** (-(made.visits.hours[row] / 24 - came) / 3)
        take = made.shown.clicked[row] and made.shown.watched[row] >= world.constants.engaged_fraction
        assert log.rewards[row] == pytest.approx(0.5 * take + 0.2 * freshness + 0.3 * diversity, abs=1e-9)


def test_takes_stay_what_is_reported_whatever_is_learned() -> None:
    run = ran(Run(scene(), season(), replace(contender("thompson"), reward=parse_reward("click")), 1))
    made = learned("click")
    takes = made.shown.clicked & (made.shown.watched >= made.scene.world.constants.engaged_fraction)
    assert sum(run.periods.takes) == takes.sum()


@pytest.mark.parametrize("word", ["diversity", MIXED])
def test_arms_are_drawn_by_their_logged_propensities(word: str) -> None:
    """Chi-square of Σ over the decisions of a season, by the number of an arm, given the weights that were drawn by."""
    made = learned(word, users=300)
    log = made.log
    assert log.clusters is not None
    first = np.unique(log.clusters, return_index=True)[1]
    titles, users = made.visits.titles[made.live][first], made.visits.users[made.live][first]
    drawn_at, arms = made.shown.drawn[made.live][first], log.arms[first] - made.scene.starts[titles]
    expected, variance, counts = np.zeros(20), np.zeros((20, 20)), np.zeros(20)
    chooser = _chooser_again(made)
    for (refresh, title), rows in _groups(drawn_at, titles).items():
        p = chooser.weights(title, users[rows], refresh, explores=False) / chooser.total
        k = p.shape[1]
        assert np.array_equal(
            p[np.arange(len(rows)), arms[rows]], made.shown.weights[made.live][first][rows] / chooser.total
        )
        expected[:k] += p.sum(axis=0)
        variance[:k, :k] += np.diag(p.sum(axis=0)) - p.T @ p
        counts += np.bincount(arms[rows], minlength=20)
    used = np.flatnonzero(expected > 5)[:-1]  # the last follows from the others
    off = (counts - expected)[used]
    statistic = off @ np.linalg.solve(variance[np.ix_(used, used)], off)
    assert chi2.sf(statistic, len(used)) > 1e-3


def _groups(refreshes: np.ndarray, titles: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    return {
        (int(refresh), int(title)): np.flatnonzero((refreshes == refresh) & (titles == title))
        for refresh, title in {*zip(refreshes.tolist(), titles.tolist(), strict=True)}
    }


def _chooser_again(made: Played) -> Chooser:
    """What chose, learned again at every refresh from what was shown before it."""
    again = _Playing(made.scene, made.season, made.contender, made.seed)
    chooser = again.chooser
    shown = made.shown
    for name in ("arms", "clicked", "watched", "rewards"):
        getattr(again.shown, name)[:] = getattr(shown, name)
    known = {}
    for refresh in range(made.season.refreshes):
        chooser.refresh(refresh, again._so_far(refresh))
        known.update(chooser._known)
    chooser._known = known
    return chooser


def test_what_a_season_came_to_is_that_of_a_plain_loop() -> None:
    made = learned(MIXED, arrival_share=0.5)
    found, world, at = reached_by(made), made.scene.world, made.live
    users, arms, titles = made.visits.users[at], made.shown.arms[at], made.visits.titles[at]
    own = arms - made.scene.starts[titles]
    clicks = [
        world.click_probabilities(np.array([user]), title)[0, arm]
        for user, title, arm in zip(users.tolist(), titles.tolist(), own.tolist(), strict=True)
    ]
    takes = made.scene.taken(users, arms)
    assert found.click_through == pytest.approx(np.mean(clicks))
    assert found.take_rate == pytest.approx(takes.mean())
    assert found.completion == pytest.approx(takes.sum() / np.sum(clicks))
    assert found.clickbait == pytest.approx(world.artwork_clickbait[arms].mean())
    days = (made.visits.hours[at] // 24).astype(int)
    of_day: dict[tuple[int, int], set[int]] = {}
    for day, user, arm in zip(days.tolist(), users.tolist(), arms.tolist(), strict=True):
        of_day.setdefault((day, user), set()).add(int(world.artwork_theme[arm]))
    assert found.themes == pytest.approx(np.mean([len(themes) for themes in of_day.values()]))
    assert found.diversity == pytest.approx(diversity_of(made.scene, made.visits.at(at), arms).mean())
    ages = ages_of(made.scene, made.season, made.late, made.visits.at(at), arms)
    assert found.freshness == pytest.approx(np.mean(2 ** (-ages / 14)))
    assert ages.min() < 1 < ages.max()


def test_clicks_alone_show_clickbait_and_diversity_shows_more_themes() -> None:
    by_word = {word: reached_by(learned(word, users=120)) for word in ("take", "click", "diversity")}
    assert by_word["click"].clickbait > 2 * by_word["take"].clickbait
    assert by_word["click"].click_through > by_word["take"].click_through
    assert by_word["click"].completion < by_word["take"].completion
    assert by_word["diversity"].diversity > by_word["take"].diversity + 0.05
    assert by_word["diversity"].themes > by_word["take"].themes


def test_contenders_of_other_rewards_do_not_judge_each_other() -> None:
    one = replace(contender("thompson"), reward=parse_reward("click"))
    assert not one.meets(contender("greedy"))
    assert one.meets(replace(contender("greedy"), reward=parse_reward("click")))
