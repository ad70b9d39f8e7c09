"""Contenders in a world with known truth: seasons of many seeds, in processes, and what they came to."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from artwork.compare.tasks import repeat
from artwork.compare.world_words import parse_learners, parse_words
from bandit.arrays import is_number
from bandit.errors import InputError
from bandit.evaluation import Settings, parse_estimator
from bandit.evaluation.splitting import check_split
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.contender import Contender, contenders_of
from bandit.simulation.seasons.estimator_table import Accuracy, accuracies
from bandit.simulation.seasons.season import Season
from bandit.simulation.seasons.season_run import Ran, Run, ran
from bandit.simulation.seasons.season_table import Standing, standings
from bandit.simulation.seasons.truths import Judging
from bandit.simulation.seasons.visits import PAGE_TITLES, VISITS_A_USER
from batch.datasets import movielens, synthetic
from batch.datasets.dataset import DataSet
from batch.datasets.wheels import default_cache
from batch.executors import Progress
from batch.offline.reward_models import parse_reward_model
from batch.workspace.tables import context_matrix

MOVIELENS: Final = "movielens"
SYNTHETIC: Final = "synthetic"
SCENES: Final = (MOVIELENS, SYNTHETIC)

USERS, TITLES, SEEDS = 200, 40, 10
"""How large a world is by default."""

_SERIAL_IMPRESSIONS = 1_500_000  # under so many, starting processes takes longer than they save
_IMPRESSIONS_A_TITLE = 250  # that take as long as scoring one more title at one more refresh: 2 ms


@dataclass(frozen=True)
class WorldRequest:
    """What to simulate: words as on the command line, the dials, and how many seeds from ``settings.seed`` on."""

    world: str
    policies: str
    posterior: str = "linear"
    seeds: int = SEEDS
    users: int = USERS
    titles: int = TITLES
    season: Season = field(default_factory=Season)
    split: float = 0.5
    reward_model: str = "linear"
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class ComparedWorld:
    """What was simulated, who stands where, and how estimators fared on the logs.

    ``impressions`` are of one run, explore days included; ``artworks`` of the first seed's world.
    """

    world: str
    users: int
    titles: int
    artworks: int
    seed: int
    seeds: int
    impressions: int
    season: Season
    standings: list[Standing]
    reward_model: str
    split: float
    level: float
    resamples: int
    accuracies: list[Accuracy]
    executor: str
    seconds: float


def compare_world(request: WorldRequest, progress: Progress) -> ComparedWorld:
    """Simulate every contender at every seed, and judge each by the logs of the others.

    Raises:
        InputError: a word or a dial is not as it should be.
        SurroundingsError: MovieLens could not be fetched, or a worker process died.
    """
    began = time.perf_counter()
    contenders = contenders_of(parse_learners(request.policies), parse_words("--posterior", request.posterior))
    _check(request)
    seeds = range(request.settings.seed, request.settings.seed + request.seeds)
    scenes = make_scenes(request.world, seeds, request.users, request.titles, progress)
    tasks = [
        _task(request, scene, seed, contender, contenders)
        for seed, scene in zip(seeds, scenes, strict=True)
        for contender in contenders
    ]
    impressions = request.season.days * VISITS_A_USER * request.users * min(PAGE_TITLES, request.titles)
    work = impressions + _IMPRESSIONS_A_TITLE * request.season.refreshes * request.titles
    executor = "serial" if work * len(tasks) < _SERIAL_IMPRESSIONS else "processes"
    runs: list[Ran] = repeat(executor, ran, tasks, progress, "seasons")
    return ComparedWorld(
        world=request.world,
        users=request.users,
        titles=request.titles,
        artworks=scenes[0].n_arms,
        seed=request.settings.seed,
        seeds=request.seeds,
        impressions=impressions,
        season=request.season,
        standings=standings(runs, request.season),
        reward_model=request.reward_model,
        split=request.split,
        level=request.settings.level,
        resamples=request.settings.resamples,
        accuracies=accuracies(runs),
        executor=executor,
        seconds=round(time.perf_counter() - began, 1),
    )


def _check(request: WorldRequest) -> None:
    check_split(request.split)
    if not (is_number(request.settings.level) and 0 < request.settings.level < 1):
        raise InputError(f"the level is {request.settings.level!r}, expected a share between 0 and 1, such as 0.95")
    for word in request.settings.estimators:
        parse_estimator(word)
    parse_reward_model(request.reward_model, None)


def _task(request: WorldRequest, scene: Scene, seed: int, contender: Contender, contenders: list[Contender]) -> Run:
    model = parse_reward_model(request.reward_model, scene.features)
    judging = Judging(replace(request.settings, seed=seed), request.split, model)
    others = tuple(other for other in contenders if contender.meets(other))
    return Run(scene, request.season, contender, seed, others, judging)


def make_scenes(world: str, seeds: range, users: int, titles: int, progress: Progress) -> list[Scene]:
    """A scene per seed; the users and titles of ``movielens`` are those rated most at every seed, its artworks are drawn anew.

    Raises:
        InputError: there is no such world, or it has fewer users or titles.
        SurroundingsError: MovieLens could not be fetched.
    """
    if world not in SCENES:
        raise InputError(f"there is no world {world!r} of seasons; choose one of {', '.join(SCENES)}")
    ratings = movielens.fetch(default_cache()) if world == MOVIELENS else None
    scenes = []
    for done, seed in enumerate(seeds):
        progress("making worlds", done, len(seeds))
        made = (
            synthetic.build(users, titles, seed) if ratings is None else movielens.build(ratings, seed, users, titles)
        )
        scenes.append(scene_of(made))
    progress("making worlds", len(seeds), len(seeds))
    return scenes


def scene_of(dataset: DataSet) -> Scene:
    """The scene of a data set: its world, and contexts and features as a job would read them."""
    artworks = dataset.tables.artworks
    features = artworks["features"].explode().to_numpy().reshape(artworks.height, -1)
    return Scene(dataset.world, context_matrix(dataset.tables.users), features)


def covered_share(pooled: Sequence[Accuracy], estimator: str, kind: str) -> float | None:
    """How often an estimator's intervals of a kind cover the truth, over all logs; None where there are none."""
    coverages = [
        accuracy.coverage[kind] for accuracy in pooled if accuracy.estimator == estimator and kind in accuracy.coverage
    ]
    total = sum(coverage.intervals for coverage in coverages)
    return sum(coverage.intervals * coverage.covered for coverage in coverages) / total if total else None
