"""Two variants live in the demo: what the explore days say of them beforehand, and what each came to."""

from datetime import timedelta

import numpy as np

from artwork.console.shell import pasted
from artwork.console.tables import printed
from artwork.demo.days import FIRST_DAY
from artwork.reports.live_tables import online_lines, online_sheet
from bandit.arrays import Bool
from bandit.errors import InputError, SurroundingsError
from bandit.evaluation import Evaluation, Settings
from bandit.hashing import hash_ids
from batch.choosing.variants import variants_of
from batch.config import Config
from batch.executors import Progress
from batch.offline.compare import Request, compare
from batch.offline.live_pairs import online_pairs
from batch.offline.side_by_side import SideBySide, beside
from batch.workspace.tables import Tables
from batch.workspace.workspace import Workspace

_ESTIMATOR = "dr"


def users_of_first(config: Config, tables: Tables) -> Bool:
    """Whether each user of the tables, (n,), is one of those who have the first variant.

    Raises:
        InputError: a variant has no users.
    """
    places = variants_of(config, hash_ids(tables.users["user_id"]))
    if len(np.unique(places)) < len(config.variants):
        raise InputError(
            f"all {len(places)} users are of one variant of --against or --experiment, which the seed draws;"
            " play with more, or another --seed"
        )
    return np.equal(places, 0)


def judge_offline(workspace: Workspace, config: Config, progress: Progress) -> Evaluation:
    """What the log so far says of both policies: learned from its first half, judged by the second."""
    first = config.variants[0]
    request = Request(
        workspace=workspace.root,
        policies=_words(config),
        posterior=first.posterior,
        reward=first.reward,
        floors=config.floors[0],
        settings=_settings(config),
    )
    return compare(request, progress).evaluation


def judge_online(workspace: Workspace, config: Config, offline: Evaluation) -> SideBySide:
    """What both policies came to, beside what was said of them before they went live.

    Raises:
        SurroundingsError: the service answered one variant from the fallback alone.
    """
    pairs = online_pairs(workspace, config.variants[0].reward, _settings(config))
    if not pairs:
        raise SurroundingsError(
            "one variant had no answer from its picks on any day; was the store too slow for the service?"
        )
    return beside(pairs[0], offline, before=True)


def lines_of(both: SideBySide, workspace: Workspace, config: Config, explore_days: int) -> str:
    """Offline beside online, and how to look closer."""
    last = FIRST_DAY + timedelta(days=explore_days - 1)
    flags = {"--workspace": workspace.root, "--until": last, "--policies": _words(config), "--seed": config.seed}
    posterior = config.variants[0].posterior
    flags |= {} if posterior == Request().posterior else {"--posterior": posterior}
    return "\n".join(
        (
            printed(online_sheet([both])),
            *online_lines([both]),
            "offline, both had learned from the first half of the explore days; online, every night from all impressions",
            f"look closer: {pasted('compare', *(word for flag in flags.items() for word in flag))}",
        )
    )


def _words(config: Config) -> str:
    return ",".join(variant.policy for variant in config.variants)


def _settings(config: Config) -> Settings:
    return Settings(estimators=(_ESTIMATOR,), seed=config.seed)
