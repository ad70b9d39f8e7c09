"""Seasons of a gated treatment as arrays: users with tastes who come back, days that differ, and a look every night."""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from bandit.arrays import F64
from bandit.experiments import AnyError, Metric, QualityCheck, decide, move, ratio_effect, rollout_effect
from bandit.experiments.effects import effect_of

SHARES = (0.1, 0.25, 0.5, 1.0)
NOTHING = effect_of(0.0, 1.0, np.inf, 0.95, (0, 0))


@dataclass(frozen=True)
class Service:
    """Who comes, and what matters there.

    ``lift`` is what the treatment adds to the take rate, as a share of it; ``weekend`` what Saturdays and Sundays add.
    """

    users: int = 600
    days: int = 21
    rate: float = 0.1
    visits: float = 8.0
    spread: float = 20.0
    lift: float = 0.0
    weekend: float = 0.5
    matters: float = 0.01
    least_users: int = 30
    shares: tuple[float, ...] = SHARES
    arriving: float = 0.2


class Ended(NamedTuple):
    """How a season ended and after how many nights, what it cost, and the widest share that it was tried with.

    The cost is takes lost against always the better, as a share of these.
    """

    action: str
    nights: int
    cost: float
    widest: float


class Season:
    """What users of a service would do with and without the treatment, drawn once."""

    def __init__(self, service: Service, seed: int) -> None:
        random = np.random.default_rng((21, seed))
        n, days = service.users, service.days
        tastes = random.beta(service.spread * service.rate, service.spread * (1 - service.rate), (n, 1))
        activity = random.gamma(0.7, service.visits / 0.7, (n, 1))
        first = np.where(random.random(n) < service.arriving, random.integers(0, days, n), 0)
        came = np.arange(days) >= first[:, np.newaxis]
        day = 1 + service.weekend * (np.arange(days) % 7 >= 5)
        self.service, self.places = service, random.random(n)
        self.shown = (random.poisson(np.broadcast_to(activity, (n, days))) * came).astype(np.float64)
        self.rates = np.stack([np.clip(tastes * day * lift, 0, 1) for lift in (1.0, 1 + service.lift)])
        uniforms = random.random((n, days))
        self.taken = np.stack(
            [_takes(uniforms, self.shown, rates) for rates in self.rates]
        )  # the same visits with either

    def cost(self, shares: F64) -> float:
        """Expected takes lost against always the better variant, as a share of these, where it had such shares (days,)."""
        expected = [float((self.shown * rates).sum(axis=1) @ np.ones(len(self.shown))) for rates in self.rates]
        better = int(np.argmax(expected))
        has = self.places[:, np.newaxis] < shares
        served = (self.shown * np.where(has, self.rates[1], self.rates[0])).sum()
        return 1 - float(served) / expected[better]


def _takes(uniforms: F64, shown: F64, rates: F64) -> F64:
    """Binomial takes by a normal quantile, so that both variants meet the same luck."""
    means, deviations = shown * rates, np.sqrt(shown * rates * (1 - rates))
    return np.clip(np.round(means + deviations * ndtri(np.clip(uniforms, 1e-9, 1 - 1e-9))), 0, shown)


def gated(season: Season) -> Ended:
    """A season under the gate, from its first share to its end."""
    service, step, since = season.service, 0, 0
    served = np.zeros(service.days)
    for night in range(service.days):
        served[night] = service.shares[step]
        until = slice(0, night + 1)
        has = season.places[:, np.newaxis] < served[until]
        rows = season.shown[:, until] > 0
        users, days = np.nonzero(rows)
        treated = has[rows]
        counted = np.where(has, season.taken[1][:, until], season.taken[0][:, until])[rows]
        counts = [int((rows & side).any(axis=1).sum()) for side in (has, ~has)]
        own = int((rows & has)[:, since:].any(axis=1).sum())
        metrics, failed = [], [QualityCheck("users", min(counts) >= 30)]
        if min(counts) >= 30:
            made = rollout_effect(counted, season.shown[:, until][rows], users, days, treated, served[days])
            metrics, failed = [Metric("takes", made.effect)], []
            decision = decide(metrics, (), service.matters, 0.95, AnyError(service.matters))
        else:
            decision = decide([Metric("takes", NOTHING)], failed)
        waits = ["users"] if own < service.least_users else []
        made_move = move(
            service.shares, step, decision, metrics, service.matters, waits, is_over=night == service.days - 1
        )
        if made_move.action in {"SHIP", "ROLL BACK", "END"}:
            served[night + 1 :] = made_move.share
            return Ended(made_move.action, night + 1, season.cost(served), service.shares[step])
        if made_move.step > step:
            step, since = made_move.step, night + 1
    raise AssertionError("a season ends on its last night")


def ab_tested(season: Season, days: int = 14) -> Ended:
    """The same season with half of the users treated for some days, one look, and then the variant that it says."""
    has = season.places < 0.5
    shown, both = season.shown[:, :days].sum(axis=1), season.taken[:, :, :days].sum(axis=2)
    taken, came = np.where(has, both[1], both[0]), shown > 0
    treated, control = ((taken[own & came], shown[own & came]) for own in (has, ~has))
    decision = decide([Metric("takes", ratio_effect(treated, control))], (), season.service.matters)
    served = np.full(season.service.days, float(decision.verdict == "SHIP"))
    served[:days] = 0.5
    return Ended(decision.verdict, days, season.cost(served), 0.5)


def tally(ended: list[Ended]) -> Counter[str]:
    """How often seasons ended how."""
    return Counter(one.action for one in ended)
