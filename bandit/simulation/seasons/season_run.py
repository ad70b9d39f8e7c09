"""One contender's season as a task for a process, and what is kept of it: plain numbers."""

from dataclasses import dataclass

import numpy as np

from bandit.arrays import F64
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.arrivals import hours_to_find
from bandit.simulation.seasons.contender import Contender
from bandit.simulation.seasons.season import Season
from bandit.simulation.seasons.simulate import Played, simulate
from bandit.simulation.seasons.truths import Beside, Judging, judge
from bandit.simulation.world import by_title


@dataclass(frozen=True, eq=False)
class Run:
    """A task: play a season, then judge the ``others`` by its log; without any, or without ``judging``, nobody is judged."""

    scene: Scene
    season: Season
    contender: Contender
    seed: int
    others: tuple[Contender, ...] = ()
    judging: Judging | None = None


@dataclass(frozen=True)
class Periods:
    """Sums over the visits of each period.

    ``hours`` at which it begins; ``impressions`` and ``takes`` as they came; what the world expects of what was shown
    (``expected``), of uniform choice (``uniform``) and of the best artwork for each user (``best``) among those that its refresh
    knows; and how often ``clickbait`` was shown.
    """

    hours: list[float]
    impressions: list[int]
    takes: list[float]
    expected: list[float]
    uniform: list[float]
    best: list[float]
    clickbait: list[int]


@dataclass(frozen=True)
class Ran:
    """What is kept of a run.

    ``periods`` are all, of which those from ``first_live`` on are under the policy. ``hours_to_find`` is of each title that got a
    new best artwork, None where it was not found. ``aged`` are expected takes per impression at each of the season's ages.
    """

    policy: str
    posterior: str | None
    seed: int
    users: int
    first_live: int
    periods: Periods
    hours_to_find: list[float | None]
    aged: list[float]
    judged: list[Beside]


def ran(run: Run) -> Ran:
    """Do a task.

    Raises:
        InputError: as ``simulate`` and ``judge``.
    """
    played = simulate(run.scene, run.season, run.contender, run.seed)
    judged = judge(played, run.others, run.judging) if run.others and run.judging else []
    return Ran(
        policy=run.contender.word,
        posterior=run.contender.posterior,
        seed=run.seed,
        users=run.scene.n_users,
        first_live=run.season.first_live,
        periods=periods_of(played),
        hours_to_find=hours_to_find(
            run.scene, run.season, played.late, played.visits.users, played.shown.arms, played.periods
        ),
        aged=played.aged.rates,
        judged=judged,
    )


def periods_of(played: Played) -> Periods:
    """Sums by period."""
    uniform, best = _uniform_and_best(played)
    shown, size = played.shown, played.season.refreshes
    bait = played.scene.world.artwork_clickbait[shown.arms]

    def sums(values: F64) -> list[float]:
        by_period: list[float] = np.bincount(played.periods, weights=values, minlength=size).tolist()
        return by_period

    return Periods(
        hours=played.season.edges[:-1].astype(np.float64).tolist(),
        impressions=np.diff(played.cuts).tolist(),
        takes=sums(shown.rewards),
        expected=sums(played.scene.taken(played.visits.users, shown.arms)),
        uniform=sums(uniform),
        best=sums(best),
        clickbait=np.bincount(played.periods[bait], minlength=size).tolist(),
    )


def _uniform_and_best(played: Played) -> tuple[F64, F64]:
    """Expected take of each visit under uniform and under the best arm, of those that its period's refresh knows, (m,) each."""
    scene, visits, came = played.scene, played.visits, played.periods >= played.season.arrival
    there = np.ones(scene.n_arms, dtype=np.bool_)
    there[played.late] = False
    uniform, best = np.empty(len(visits)), np.empty(len(visits))
    for title, rows in by_title(visits.titles):
        takes, users = scene.takes[title], visits.users[rows]
        early = takes[:, there[scene.starts[title] : scene.starts[title + 1]]]
        for into, of in ((uniform, np.mean), (best, np.max)):
            into[rows] = np.where(came[rows], of(takes, axis=1)[users], of(early, axis=1)[users])
    return uniform, best
