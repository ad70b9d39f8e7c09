"""Rewards in a world with known truth: what learning each comes to in several objectives, and which is beaten in nothing."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from artwork.compare.tasks import repeat
from artwork.compare.world import WorldRequest, make_scenes
from artwork.compare.world_words import parse_learners, parse_words
from bandit.errors import InputError
from bandit.policies import Uniform
from bandit.rewards import Click, Reward, parse_reward
from bandit.simulation.pareto import Front, beside, find_front
from bandit.simulation.seasons.contender import Contender, contenders_of
from bandit.simulation.seasons.objective_run import OBJECTIVES, Reached, reached
from bandit.simulation.seasons.season import Season
from bandit.simulation.seasons.season_run import Run
from bandit.simulation.seasons.season_table import Mean
from bandit.simulation.seasons.visits import PAGE_TITLES, VISITS_A_USER
from batch.config import Variant
from batch.executors import Progress

GRID_WORD: Final = "grid"
DEFAULT: Final = "take"
GRID: Final = (
    DEFAULT,
    "click",
    "watched_fraction",
    "weighted_sum:take=0.75,click=0.25",
    "weighted_sum:take=0.5,click=0.5",
    "weighted_sum:take=0.95,diversity=0.05",
    "weighted_sum:take=0.9,diversity=0.1",
    "weighted_sum:take=0.7,diversity=0.3",
    "diversity",
    "weighted_sum:click=0.7,diversity=0.3",
    "weighted_sum:take=0.9,freshness=0.1",
)
"""What ``--rewards grid`` plays: the default, clicks alone, and weights between."""

USUAL_POLICY: Final = "thompson"

_SERIAL_IMPRESSIONS = 1_500_000  # under so many, starting processes takes longer than they save


@dataclass(frozen=True)
class Figures:
    """Means over seeds of what ``Reached`` has, with standard errors."""

    click_through: Mean
    completion: Mean
    diversity: Mean
    take_rate: Mean
    themes: Mean
    freshness: Mean
    clickbait: Mean

    @classmethod
    def of(cls, seeds: Sequence[Reached]) -> "Figures":
        """Of one season a seed."""
        return cls(**{name: Mean.of([getattr(one, name) for one in seeds]) for name in asdict(seeds[0])})


@dataclass(frozen=True)
class Lead:
    """A difference of means over seeds, with the ends of its interval; None for a single seed."""

    mean: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class Setting:
    """A reward that was learned, and where it stands; others are named by their ``number``, from 1.

    ``front_share`` is the share of resamples of the seeds in which it is on the front, None for a single seed. ``dominated_by``
    are the settings that are at least as good in every mean and better in one; ``beaten_by`` those of them that are better
    in something by more than chance; ``alike`` those that no objective tells it from. ``beside_default`` are its leads over the
    default by objective.
    """

    number: int
    reward: str
    text: str
    is_default: bool
    figures: Figures
    is_on_front: bool
    front_share: float | None
    dominated_by: list[int]
    beaten_by: list[int]
    alike: list[int]
    beside_default: dict[str, Lead]


@dataclass(frozen=True)
class ComparedRewards:
    """What was simulated, and what each reward came to; ``uniform`` is what choosing at random comes to on the same visits."""

    world: str
    users: int
    titles: int
    artworks: int
    seed: int
    seeds: int
    impressions: int
    season: Season
    policy: str
    posterior: str | None
    level: float
    resamples: int
    settings: list[Setting]
    uniform: Figures
    executor: str
    seconds: float

    @property
    def default(self) -> Setting:
        """The setting of the reward that is learned where nobody says otherwise."""
        return next(one for one in self.settings if one.is_default)

    @property
    def clicks(self) -> Setting | None:
        """The setting that learns from clicks alone, if it was played."""
        return next((one for one in self.settings if one.text == Click().text), None)


def parse_rewards(words: Sequence[str]) -> list[tuple[str, Reward]]:
    """Rewards by their words, ``grid`` for those of ``GRID``; the default is the first, whether it is named or not.

    Raises:
        InputError: a word is not known or names several, or two stand for the same reward.
    """
    for given in words:
        if "," in given.partition(":")[0]:
            apart = " ".join(f"--rewards {word}" for word in given.split(","))
            raise InputError(
                f"--rewards {given} names several, expected one at a time; repeat the option, as in {apart}"
            )
    listed = [word for given in words for word in (GRID if given == GRID_WORD else (given,))]
    known = {parse_reward(word).text: word for word in reversed(listed)}
    if len(known) < len(listed):
        twice = next(word for word in listed if known[parse_reward(word).text] != word or listed.count(word) > 1)
        raise InputError(f"--rewards names the reward {twice} twice; name each once")
    default = Variant().reward
    rest = [word for word in listed if parse_reward(word).text != default]
    return [(word, parse_reward(word)) for word in (known.get(default, DEFAULT), *rest)]


def compare_rewards(request: WorldRequest, words: Sequence[str], progress: Progress) -> ComparedRewards:
    """Play a season of every reward at every seed, on the same visits.

    Args:
        request: the world, one policy and one posterior, and the dials.
        words: of the rewards.
        progress: told how far it is.

    Raises:
        InputError: a word or a dial is not as it should be.
        SurroundingsError: MovieLens could not be fetched, or a worker process died.
    """
    began = time.perf_counter()
    rewards = parse_rewards(words)
    learner = _learner(request)
    learners = [Contender(learner.policy, learner.word, learner.posterior, reward) for _, reward in rewards]
    contenders = [Contender(Uniform(), Uniform.name), *learners]
    seeds = range(request.settings.seed, request.settings.seed + request.seeds)
    scenes = make_scenes(request.world, seeds, request.users, request.titles, progress)
    tasks = [
        Run(scene, request.season, contender, seed)
        for seed, scene in zip(seeds, scenes, strict=True)
        for contender in contenders
    ]
    impressions = request.season.days * VISITS_A_USER * request.users * min(PAGE_TITLES, request.titles)
    executor = "serial" if impressions * len(tasks) < _SERIAL_IMPRESSIONS else "processes"
    made = repeat(executor, reached, tasks, progress, "seasons")
    by_seed = [made[at : at + len(contenders)] for at in range(0, len(made), len(contenders))]
    return ComparedRewards(
        world=request.world,
        users=request.users,
        titles=request.titles,
        artworks=scenes[0].n_arms,
        seed=request.settings.seed,
        seeds=request.seeds,
        impressions=impressions,
        season=request.season,
        policy=learner.word,
        posterior=learner.posterior,
        level=request.settings.level,
        resamples=request.settings.resamples,
        settings=settings_of(
            rewards, [one[1:] for one in by_seed], request.settings.level, request.settings.resamples, seeds.start
        ),
        uniform=Figures.of([one[0] for one in by_seed]),
        executor=executor,
        seconds=round(time.perf_counter() - began, 1),
    )


def settings_of(
    rewards: Sequence[tuple[str, Reward]],
    by_seed: Sequence[Sequence[Reached]],
    level: float,
    resamples: int,
    seed: int,
) -> list[Setting]:
    """Where each reward stands.

    Args:
        rewards: n of them, with their words.
        by_seed: what each came to, by seed and then reward.
        level: of all intervals together.
        resamples: of the seeds.
        seed: of the resamples.

    Raises:
        InputError: the level or the resamples are out of range.
    """
    values = np.array([[[getattr(one, name) for name in OBJECTIVES] for one in seeds] for seeds in by_seed])
    front = find_front(values, level, resamples, seed)
    means, reach = beside(values, [reward.text for _, reward in rewards].index(Variant().reward), level)
    leads = [
        {name: _lead(*pair) for name, *pair in zip(OBJECTIVES, own.tolist(), ends.tolist(), strict=True)}
        for own, ends in zip(means, reach, strict=True)
    ]
    return [
        _setting(place, word, reward, [seeds[place] for seeds in by_seed], front, leads[place])
        for place, (word, reward) in enumerate(rewards)
    ]


def _lead(mean: float, reach: float) -> Lead:
    return Lead(mean, None, None) if np.isnan(reach) else Lead(mean, mean - reach, mean + reach)


def _setting(
    place: int, word: str, reward: Reward, seeds: Sequence[Reached], front: Front, leads: dict[str, Lead]
) -> Setting:
    share = float(front.shares[place])
    return Setting(
        number=place + 1,
        reward=word,
        text=reward.text,
        is_default=reward.text == Variant().reward,
        figures=Figures.of(seeds),
        is_on_front=bool(front.is_on[place]),
        front_share=None if np.isnan(share) else share,
        dominated_by=(np.flatnonzero(front.dominates[:, place]) + 1).tolist(),
        beaten_by=(np.flatnonzero(front.beats[:, place]) + 1).tolist(),
        alike=[number + 1 for number in np.flatnonzero(front.is_alike[place]).tolist() if number != place],
        beside_default=leads,
    )


def _learner(request: WorldRequest) -> Contender:
    """The one policy and posterior whose reward is turned."""
    policies, posteriors = parse_learners(request.policies), parse_words("--posterior", request.posterior)
    if len(policies) != 1 or len(posteriors) != 1 or isinstance(policies[0][1], Uniform):
        raise InputError(
            f"--rewards plays one policy with one posterior, and was given --policies {request.policies} and --posterior"
            f" {request.posterior}; name one of each that learns, as in --policies thompson --posterior linear"
        )
    return contenders_of(policies, posteriors)[-1]
