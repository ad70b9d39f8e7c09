"""How often an answer that nothing warns of is wrong, in worlds that try it.

Few rewards on what the target would show, rewards that are nearly always there, heavy weights, users who come back, logs of
policies that learned, and many policies that are equally good.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from scipy.special import expit, logit

from bandit.arrays import F64, I64
from bandit.evaluation import Evaluation, Settings, evaluate
from bandit.evaluation.sample import Sample
from bandit.evaluation.targets import LOGGING
from bandit.simulation.studies.adaptive_coverage import AdaptiveReplicates, draw_log

ESTIMATORS: Final = ("snips", "ips")
"""Values are of both, differences of the first."""
_RESAMPLES = 400
_NODES = 61


class Drawn(NamedTuple):
    """A log as each policy sees it, what each is worth, and how many arms there were to choose from."""

    samples: Mapping[str, Sample]
    truths: Mapping[str, float]
    arms: int


@dataclass(frozen=True)
class World:
    """A world by name, and how its logs are drawn; ``is_family`` where many policies are compared and their ranking counts."""

    name: str
    draw: Callable[[np.random.Generator], Drawn]
    is_family: bool = False


@dataclass(frozen=True)
class TrustRow:
    """What became of one world's logs, as shares.

    ``unflagged`` answers have neither a refusal nor a caution; ``held`` is the share of those whose interval held the truth, NaN
    where there was none; ``wrong_unflagged`` the share of *all* logs that were unflagged and wrong. Of a family, wrong are logs
    in which somebody was called better or worse who is not.
    """

    world: str
    what: str
    replicates: int
    unflagged: float
    held: float
    wrong_unflagged: float


@dataclass(frozen=True)
class TrustReplicates:
    """Some replicates of a world, a task for a process: numbers ``first`` to before ``stop`` of a seed."""

    world: str
    first: int
    stop: int
    seed: int = 0


def _arms(
    rates: Sequence[float], logging: Sequence[float], targets: Sequence[Sequence[float]], count: int
) -> Callable[[np.random.Generator], Drawn]:
    return partial(_draw_arms, np.array(rates), np.array(logging), np.array(targets), count)


def _draw_arms(rates: F64, logging: F64, targets: F64, count: int, random: np.random.Generator) -> Drawn:
    """Arms without contexts, one policy or several."""
    shown = random.choice(len(rates), count, p=logging)
    rewards = (random.random(count) < rates[shown]).astype(np.float64)
    logged = Sample(rewards, logging[shown], np.zeros(count), logging[shown])
    samples, truths = {LOGGING: logged}, {LOGGING: float(logging @ rates)}
    for number, target in enumerate(targets):
        samples[f"policy {number}"] = replace(logged, target=target[shown], largest_probability=float(target.max()))
        truths[f"policy {number}"] = float(target @ rates)
    return Drawn(samples, truths, len(rates))


def _draw_tail(rate: float, sigma: float, count: int, random: np.random.Generator) -> Drawn:
    """Weights with the logarithm normal: an effective sample of exp(-sigma²) of the log."""
    weights = np.exp(sigma * random.normal(size=count) - sigma**2 / 2)
    rewards = (random.random(count) < rate).astype(np.float64)
    propensities = np.full(count, 1e-4)
    logged = Sample(rewards, propensities, np.zeros(count), propensities)
    return Drawn(
        {LOGGING: logged, "policy": replace(logged, target=weights * propensities)},
        {LOGGING: rate, "policy": rate},
        10_000,
    )


def _showings(users: int, showings: int, random: np.random.Generator) -> I64:
    """The user of each impression: ``showings`` each; where that is negative, so many on average, some far more than others."""
    times = random.geometric(1 / abs(showings), users) if showings < 0 else np.full(users, showings)
    return np.repeat(np.arange(users), times)


def _draw_users(users: int, showings: int, rate: float, taste: float, random: np.random.Generator) -> Drawn:
    """Users who come back, each with a level and a taste for one of two arms of their own."""
    who = _showings(users, showings, random)
    level, own = random.normal(size=users), taste * random.normal(size=users)
    arm = random.integers(0, 2, len(who))
    rewards = (random.random(len(who)) < expit(logit(rate) + level[who] + own[who] * (2 * arm - 1))).astype(np.float64)
    half = np.full(len(who), 0.5)
    logged = Sample(rewards, half, np.zeros(len(who)), half, users=who)
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    spread = np.hypot(1.0, taste)  # level plus taste, either way, is as wide
    truth = float(expit(logit(rate) + spread * nodes) @ weights / weights.sum())
    return Drawn(
        {LOGGING: logged, "policy": replace(logged, target=np.where(arm == 1, 0.9, 0.1))},
        {LOGGING: truth, "policy": truth},
        2,
    )


def _draw_jackpot(chance: float, count: int, random: np.random.Generator) -> Drawn:
    """A fifth of the impressions earn a hundredth, and one in many earns all that can be earned."""
    shown = random.integers(0, 2, count)
    rewards = np.where(random.random(count) < chance, 1.0, np.where(random.random(count) < 0.2, 0.01, 0.0))
    half = np.full(count, 0.5)
    logged = Sample(rewards, half, np.zeros(count), half, reward_range=(0.0, 1.0))
    truth = chance + (1 - chance) * 0.2 * 0.01
    samples = {LOGGING: logged, "policy": replace(logged, target=np.where(shown == 1, 0.7, 0.3))}
    return Drawn(samples, {LOGGING: truth, "policy": truth}, 2)


def _draw_lovers(users: int, showings: int, share: float, random: np.random.Generator) -> Drawn:
    """A few users love the target's arm."""
    who = _showings(users, showings, random)
    loves = (random.random(users) < share)[who]
    arm = random.integers(0, 2, len(who))
    rewards = (random.random(len(who)) < np.where(loves & (arm == 1), 0.9, 0.06)).astype(np.float64)
    half = np.full(len(who), 0.5)
    logged = Sample(rewards, half, np.zeros(len(who)), half, users=who)
    truth = 0.06 + share * 0.84
    samples = {LOGGING: logged, "policy": replace(logged, target=(arm == 1).astype(np.float64))}
    return Drawn(samples, {LOGGING: 0.06 + share * 0.42, "policy": truth}, 2)


def _draw_floor(share: float, floor: float, count: int, random: np.random.Generator) -> Drawn:
    """A few users like what the log hardly ever shows them, and the target always does; of the others nobody cares."""
    few = random.random(count) < share
    first = np.where(few, floor, 0.5)
    is_first = random.random(count) < first
    rewards = (random.random(count) < np.where(few & is_first, 0.6, 0.1)).astype(np.float64)
    target = np.where(few, 1.0, 0.7)
    propensities = np.where(is_first, first, 1 - first)
    logged = Sample(rewards, propensities, np.zeros(count), propensities)
    samples = {LOGGING: logged, "policy": replace(logged, target=np.where(is_first, target, 1 - target))}
    return Drawn(samples, {LOGGING: 0.1 + share * floor * 0.5, "policy": 0.1 + share * 0.5}, 2)


def _draw_adaptive(rates: tuple[float, float], size: int, floor: float, random: np.random.Generator) -> Drawn:
    """Ten batches under Thompson sampling that learns; the target always shows the first of two arms."""
    sample, _ = draw_log(AdaptiveReplicates(rates, 10, size, 0, 1, floor=floor), random)
    assert sample.propensities is not None  # noqa: S101 - it was drawn with them
    logged = replace(sample, target=sample.propensities)
    return Drawn({LOGGING: logged, "policy": sample}, {"policy": rates[0]}, 2)


def _family(rate: float, count: int, most: float, *, unequal: bool) -> World:
    """Seven policies, each for an arm of its own."""
    rates = rate * (np.linspace(0.4, 1.6, 7) if unequal else np.ones(7))
    targets = np.full((7, 7), (1 - most) / 6)
    np.fill_diagonal(targets, most)
    kind = "unequal" if unequal else "equal"
    return World(
        f"seven policies, {kind} arms of {rate:.1%}, {count:,} impressions, {most:.0%} on one arm each",
        _arms(rates.tolist(), [1 / 7] * 7, targets.tolist(), count),
        is_family=True,
    )


def _tail(rate: float, sigma: float, count: int) -> World:
    name = f"weights spread by {sigma:g}, rewards of {rate:.1%}, {count:,} impressions"
    return World(name, partial(_draw_tail, rate, sigma, count))


def _users(users: int, showings: int, rate: float, taste: float) -> World:
    name = f"{users} users {_often(showings)} times, rewards of {rate:.0%}, taste {taste:g}"
    return World(name, partial(_draw_users, users, showings, rate, taste))


def _often(showings: int) -> str:
    return f"about {-showings}" if showings < 0 else f"{showings}"


def _adaptive(rates: tuple[float, float], size: int, floor: float) -> World:
    name = f"Thompson sampling, arms of {rates[0]:.0%} and {rates[1]:.0%}, 10 batches of {size:,}, floor {floor:g}"
    return World(name, partial(_draw_adaptive, rates, size, floor))


WORLDS: Final[tuple[World, ...]] = (
    World("the target's arm earns nothing like the log", _arms([0.1, 0.001], [0.7, 0.3], [[0, 1]], 2000)),
    World("rewards nearly always", _arms([0.996, 0.996], [0.5, 0.5], [[0.2, 0.8]], 400)),
    World("rewards of 97 %, 1,000 impressions", _arms([0.97, 0.97], [0.5, 0.5], [[0.2, 0.8]], 1000)),
    *(
        _tail(rate, sigma, count)
        for rate, sigma, count in (
            (0.3, 0.5, 300), (0.5, 0.7, 400), (0.1, 0.7, 400), (0.03, 0.5, 1000), (0.05, 0.7, 1000), (0.05, 1.0, 1000),
            (0.3, 1.0, 1000), (0.2, 1.2, 1000), (0.005, 0.3, 1000), (0.005, 0.7, 5000), (0.05, 1.2, 3000),
        )
    ),
    *(_users(*case) for case in ((60, 20, 0.1, 0.0), (100, 20, 0.1, 1.0), (300, 5, 0.05, 0.5), (150, -20, 0.1, 1.0))),
    World("a rare arm of large weight, arms of 2 % and 4 %", _arms([0.02, 0.04], [0.98, 0.02], [[0.8, 0.2]], 2000)),
    World("a rare arm of large weight, both arms of 0.4 %", _arms([0.004, 0.004], [31 / 32, 1 / 32], [[0.5, 0.5]], 10_000)),
    World("an arm shown once in 2,000 times", _arms([0.05, 0.5], [0.9995, 0.0005], [[0.96, 0.04]], 2000)),
    World("rewards of a hundredth, and rarely of one", partial(_draw_jackpot, 0.0005, 2000)),
    World("a kind of 3 % whom the log shows the target's arm at 0.02", partial(_draw_floor, 0.03, 0.02, 4000)),
    *(
        World(
            f"{users} users {_often(showings)} times, {share:.0%} of whom love the target's arm",
            partial(_draw_lovers, users, showings, share),
        )
        for users, showings, share in ((60, 20, 0.03), (100, 20, 0.02), (200, 20, 0.01), (300, -10, 0.01))
    ),
    World(
        "three policies with a rare and excellent arm each",
        _arms(
            [0.0645, 0.015, 0.24, 0.24, 0.24], [0.694, 0.3, 0.002, 0.002, 0.002],
            [[0, 0.84, *(0.16 if arm == own else 0.0 for arm in range(3))] for own in range(3)], 4000,
        ),
        is_family=True,
    ),
    *(
        _adaptive(rates, size, floor)
        for rates in ((0.5, 0.5), (0.1, 0.1), (0.3, 0.35))
        for size, floor in ((1000, 0.02), (1000, 0.1), (100, 0.1))
    ),
    *(
        _family(rate, count, most, unequal=unequal)
        for rate, count, most in ((0.05, 1200, 0.74), (0.25, 1200, 0.74), (0.005, 12_000, 0.5), (0.05, 5000, 0.74))
        for unequal in (False, True)
    ),
)  # fmt: skip
"""Worlds that answers are tried in."""


def replicate(task: TrustReplicates) -> F64:
    """What became of some logs, (r, 2, 2): of value and lead (or of a family, the same twice), whether unflagged, and wrong."""
    world = next(each for each in WORLDS if each.name == task.world)
    return np.array(
        [_one(world, np.random.default_rng((task.seed, number)), number) for number in range(task.first, task.stop)]
    )


def _one(world: World, random: np.random.Generator, number: int) -> list[list[float]]:
    drawn = world.draw(random)
    count = len(drawn.samples[LOGGING])
    settings = Settings(estimators=ESTIMATORS, resamples=_RESAMPLES, seed=number)
    found = evaluate(drawn.samples, settings, np.full(count, drawn.arms))
    if world.is_family:
        wrong = float(_is_somebody_wronged(found, drawn.truths))
        return [[1.0, wrong], [1.0, wrong]]
    [value] = [each for each in found.results if each.policy != LOGGING]
    told = value.estimates[ESTIMATORS[0]]
    [lead] = found.differences
    truth = drawn.truths[value.policy]
    ends = [(told.lower, told.upper, value.is_reliable and not told.caution, truth)]
    if LOGGING in drawn.truths:
        ends.append(
            (lead.lower, lead.upper, lead.value is not None and not lead.caution, truth - drawn.truths[LOGGING])
        )
    rows = [
        [
            float(unflagged),
            float(unflagged and not (lower is not None and upper is not None and lower <= true <= upper)),
        ]
        for lower, upper, unflagged, true in ends
    ]
    return rows if len(rows) == 2 else [rows[0], [np.nan, np.nan]]


def _is_somebody_wronged(found: Evaluation, truths: Mapping[str, float]) -> bool:
    """Whether anybody is called better, or worse, than somebody than whom they are not."""
    for each in found.differences:
        if each.adjusted_lower is None or each.adjusted_upper is None or each.caution:
            continue
        lead = truths[each.policy] - truths[each.against]
        if (each.adjusted_lower > 0 and lead <= _EQUAL) or (each.adjusted_upper < 0 and lead >= -_EQUAL):
            return True
    return False


_EQUAL = 1e-12


def trust_of(found: Sequence[F64], world: World) -> list[TrustRow]:
    """The rows of a world: value and lead, or the ranking of a family."""
    everything = np.concatenate(found)
    kinds = ("ranking",) if world.is_family else ("value", "lead")
    rows = []
    for place, what in enumerate(kinds):
        unflagged, wrong = everything[:, place].T
        if np.isnan(unflagged).any():
            continue
        share = float(unflagged.mean())
        held = 1 - float(wrong.sum() / unflagged.sum()) if share > 0 else float("nan")
        rows.append(TrustRow(world.name, what, len(everything), share, held, float(wrong.mean())))
    return rows
