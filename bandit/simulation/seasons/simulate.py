"""A season of one contender: refresh, visit, show, respond, and again."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I32, I64, U8, U16, Bool
from bandit.impressions import ImpressionLog
from bandit.policies import draw_arms
from bandit.rewards import EngagedTake
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.arrivals import late_arms
from bandit.simulation.seasons.chooser import Chooser
from bandit.simulation.seasons.contender import Contender
from bandit.simulation.seasons.objectives import beside_plays
from bandit.simulation.seasons.season import Season
from bandit.simulation.seasons.visits import Visits, draw_visits
from bandit.simulation.world import by_title

_SECONDS_AN_HOUR = 3600
_NEVER = -1
_NONE = -1


class Picks:
    """The pick of each (user, title) that was visited: ``arms``, ``weights`` and the refresh it was ``drawn`` at, (n, t) each."""

    def __init__(self, scene: Scene, season: Season, chooser: Chooser, seed: int) -> None:
        shape = scene.n_users, scene.n_titles
        self._season, self._chooser = season, chooser
        self._turns = season.turns(scene.n_users, seed)  # (n,)
        self.arms: U8 = np.zeros(shape, dtype=np.uint8)
        self.weights: U16 = np.zeros(shape, dtype=np.uint16)
        self.drawn: npt.NDArray[np.int32] = np.full(shape, _NEVER, dtype=np.int32)

    def renew(self, title: int, users: I64, refresh: int) -> None:
        """Draw the picks for a title that some users, each named once, no longer keep in a period.

        A pick is drawn as of the refresh at which its user's turn was, whenever it is first looked at.
        """
        due = self._season.drawn_at(refresh, self._turns[users])
        stale = self.drawn[users, title] != due
        for drawn in np.unique(due[stale]).tolist():
            own = users[stale & (due == drawn)]
            explores = drawn < self._season.first_live
            previous = np.where(self.drawn[own, title] == _NEVER, _NONE, self.arms[own, title].astype(np.int64))
            weights = self._chooser.weights(title, own, drawn, explores=explores, previous=previous)
            made = draw_arms(weights, self._chooser.hashes(title, own, drawn), self._chooser.total)
            self.arms[own, title], self.weights[own, title] = made
            self.drawn[own, title] = drawn


@dataclass(eq=False)
class AgedTakes:
    """Expected takes under the contender's probabilities as of some hours ago, summed over ``impressions``; ``takes`` an age."""

    takes: F64
    impressions: int = 0

    def add(
        self, scene: Scene, season: Season, chooser: Chooser, title: int, users: I64, visits: I64, refresh: int
    ) -> None:
        """Count the visits of a period to a title, for every age.

        Probabilities of an age are those of the refresh so long before, floors included: its posterior, and the arms that could
        be shown then, so that an artwork which has arrived since is missed. Nobody keeps a pick here: ages stand for themselves.

        Args:
            scene: where it is played.
            season: the dials.
            chooser: what the contender knew.
            title: row of the world.
            users: who visited it, each named once, (n,).
            visits: how often, (n,).
            refresh: of the period.
        """
        expected = scene.takes[title][users] * visits[:, None]  # (n, k)
        for place, age in enumerate(season.ages):
            weights = chooser.weights(title, users, refresh - age, explores=False)
            self.takes[place] += float(np.einsum("nk,nk->", expected, weights.astype(np.float64))) / chooser.total
        self.impressions += int(visits.sum())

    @property
    def rates(self) -> list[float]:
        """Expected takes per impression at each age; NaN where no impression was measured."""
        return (self.takes / self.impressions).tolist() if self.impressions else [float("nan")] * len(self.takes)


@dataclass(frozen=True, eq=False)
class Shown:
    """What was shown at each place of each page, and what came of it, (m,) each.

    ``arms`` are numbered through all titles; ``weights`` over ``total`` are the propensities; ``drawn`` is the refresh at
    which the pick was drawn. ``clicked`` and ``watched`` (the fraction) are what the user did, ``rewards`` the takes among it,
    whatever the contender learns. ``changed`` are the visits on which the artwork is another one than the user saw of the title
    last.
    """

    arms: I64
    weights: U16
    drawn: I64
    clicked: Bool
    watched: F64
    rewards: F64
    changed: Bool
    total: int


@dataclass(frozen=True, eq=False)
class Played:
    """A season that is over.

    ``cuts`` (refreshes + 1,) say where periods begin among the ``visits``; ``late`` are the arms that arrived late; ``aged`` the
    takes that picks of each age would have brought.
    """

    scene: Scene
    season: Season
    contender: Contender
    seed: int
    late: I64
    visits: Visits
    cuts: I64
    shown: Shown
    aged: AgedTakes

    @cached_property
    def periods(self) -> I64:
        """The period of each visit, (m,)."""
        return np.repeat(np.arange(self.season.refreshes), np.diff(self.cuts))

    @property
    def live(self) -> slice:
        """The visits under the policy."""
        return slice(int(self.cuts[self.season.first_live]), None)

    @cached_property
    def log(self) -> ImpressionLog:
        """The live days as they would have been logged.

        A decision (cluster) is a user, a title and the refresh at which the pick was drawn, a batch is that refresh, times are
        seconds.
        """
        scene, at = self.scene, self.live
        users, titles, drawn = self.visits.users[at], self.visits.titles[at], self.shown.drawn[at]
        return ImpressionLog(
            contexts=scene.contexts[users],
            arms=self.shown.arms[at],
            rewards=self.shown.rewards[at],
            propensities=self.shown.weights[at] / np.float64(self.shown.total),
            n_arms=scene.n_arms,
            starts=scene.starts,
            eligible=self._eligible(titles, drawn),
            clusters=(drawn * scene.n_titles + titles) * scene.n_users + users,
            times=(self.visits.hours[at] * _SECONDS_AN_HOUR).astype(np.int64),
            batches=drawn,
        )

    def users_of(self, log: ImpressionLog) -> I64:
        """The users of a part of the log, (m,)."""
        assert log.clusters is not None  # noqa: S101 - every log of a season has them
        return log.clusters % self.scene.n_users

    def _eligible(self, titles: I64, drawn: I64) -> npt.NDArray[np.bool_]:
        """Which arms of its title each pick could be drawn from, (m, K)."""
        sizes = np.diff(self.scene.starts)
        there = np.arange(sizes.max()) < sizes[:, None]  # (t, K)
        before = there.copy()
        of_late = self.scene.world.artwork_title[self.late]
        before[of_late, self.late - self.scene.starts[of_late]] = False
        return np.where((drawn < self.season.arrival)[:, None], before[titles], there[titles])


def simulate(scene: Scene, season: Season, contender: Contender, seed: int) -> Played:
    """Play a season in memory: at each refresh learn from everything shown before, then show it to the visits of the period.

    Visits, what decides the users' responses, the arms that arrive late and the hashes that picks are drawn by are those of the
    seed alone: contenders differ by what they choose, on common random numbers. Propensities are exact, as those of
    ``policies.decide``.

    Args:
        scene: where.
        season: the dials.
        contender: who chooses on live days.
        seed: of everything random.

    Raises:
        InputError: the posterior needs features that the scene does not have.
    """
    return _Playing(scene, season, contender, seed).to_the_end()


class _Playing:
    """A season under way."""

    def __init__(self, scene: Scene, season: Season, contender: Contender, seed: int) -> None:
        self.scene, self.season, self.contender, self.seed = scene, season, contender, seed
        self.late = late_arms(scene, season, seed)
        self.visits = draw_visits(scene.world.title_appeal, scene.n_users, season.days, seed)
        self.cuts = self.visits.cut(season.edges)
        self.contexts = scene.contexts[self.visits.users]  # (m, d)
        m = len(self.visits)
        self.chooser = Chooser(scene, season, contender, seed, self.late)
        arms, weights, drawn = np.zeros(m, np.int64), np.zeros(m, np.uint16), np.zeros(m, np.int64)
        self.last: I32 = np.full((scene.n_users, scene.n_titles), _NONE, dtype=np.int32)
        clicked, changed = np.zeros(m, np.bool_), np.zeros(m, np.bool_)
        total = self.chooser.total
        self.shown = Shown(arms, weights, drawn, clicked, np.zeros(m), np.zeros(m), changed, total)
        self.picks = Picks(scene, season, self.chooser, seed)
        self.aged = AgedTakes(np.zeros(len(season.ages)))
        self.reward = EngagedTake(scene.world.constants.engaged_fraction)

    def to_the_end(self) -> Played:
        for refresh in range(self.season.refreshes):
            self.chooser.refresh(refresh, self._so_far(refresh))
            self._show(refresh)
            self._respond(refresh)
        who = self.scene, self.season, self.contender, self.seed
        return Played(*who, self.late, self.visits, self.cuts, self.shown, self.aged)

    def _so_far(self, refresh: int) -> ImpressionLog:
        """What was shown before a refresh, for learning."""
        count = int(self.cuts[refresh])
        shown = self.contexts[:count], self.shown.arms[:count], self._learned(count)
        return ImpressionLog(*shown, propensities=None, n_arms=self.scene.n_arms, starts=self.scene.starts)

    def _learned(self, count: int) -> F64:
        """What the contender learns from the first places of all."""
        reward, shown = self.contender.reward, self.shown
        if reward is None:
            return shown.rewards[:count]
        beside = beside_plays(
            reward, self.scene, self.season, self.late, self.visits.at(slice(count)), shown.arms[:count]
        )
        return reward.rewards(shown.clicked[:count], shown.watched[:count], **beside)

    def _rows(self, refresh: int) -> slice:
        return slice(*self.cuts[refresh : refresh + 2].tolist())

    def _show(self, refresh: int) -> None:
        period = self._rows(refresh)
        if self.season.stickiness.share > 0:  # what is kept is the pick, whether it was looked at or not
            for title in range(self.scene.n_titles):
                self.picks.renew(title, np.arange(self.scene.n_users), refresh)
        for title, places in by_title(self.visits.titles[period]):
            rows = places + period.start
            users = self.visits.users[rows]
            distinct, visits = np.unique(users, return_counts=True)
            self.picks.renew(title, distinct, refresh)
            self.shown.arms[rows] = self.scene.starts[title] + self.picks.arms[users, title]
            self.shown.weights[rows] = self.picks.weights[users, title]
            self.shown.drawn[rows] = self.picks.drawn[users, title]
            if self.season.ages and refresh >= self.season.first_aged:
                self.aged.add(self.scene, self.season, self.chooser, title, distinct, visits, refresh)

    def _respond(self, refresh: int) -> None:
        period = self._rows(refresh)
        users, arms = self.visits.users[period], self.shown.arms[period]
        changed = self._changed(period)
        self.shown.changed[period] = changed
        clicked, watched = self.scene.world.respond(users, arms, self.visits.uniforms[period], changed)
        self.shown.clicked[period], self.shown.watched[period] = clicked, watched
        self.shown.rewards[period] = self.reward.rewards(clicked, watched)

    def _changed(self, period: slice) -> Bool:
        """On which visits of a period the artwork is another one than its user saw of the title last, (m,)."""
        users, titles, arms = self.visits.users[period], self.visits.titles[period], self.shown.arms[period]
        firsts = np.unique(users * self.scene.n_titles + titles, return_index=True)[1]  # a pick stays for the period
        changed = np.zeros(len(users), dtype=np.bool_)
        last = self.last[users[firsts], titles[firsts]]
        changed[firsts] = (last != _NONE) & (last != arms[firsts])
        self.last[users, titles] = arms
        return changed
