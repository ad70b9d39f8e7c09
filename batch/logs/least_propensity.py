"""The smallest probability that an arm could have been shown with: known where our own generations chose."""

from functools import cache
from math import floor
from typing import Final

import numpy as np
import polars as pl

from bandit.deploying import Floors
from bandit.kernels.deciding import MAX_NEW_SHARE
from bandit.policies import Uniform, parse_policy, quantise
from bandit.snapshot import TOTAL_WEIGHT
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import find_manifest, folder_of
from batch.workspace.workspace import Workspace

_PERSONALIZED: Final = "personalized"
_DEFAULT: Final = "default"
_ROUNDING: Final = 1e-9


def least_propensity(workspace: Workspace, frame: pl.DataFrame) -> float | None:
    """The smallest probability that an eligible arm had, or could have had, at any of the decisions.

    Read from floors and arms of the generations that chose; what a posterior gave is not looked at, but for the uniform policy,
    which looks at none. None where that is not known: a generation is gone, has no floor, or is not what made these impressions;
    or a title's default was shown where others were eligible, which had no chance.

    Args:
        workspace: with the generations.
        frame: impressions with generation, title_id, policy, source, eligible and propensity.
    """
    groups = frame.group_by("generation", "policy", "source", "title_id").agg(
        pl.col("propensity").min(), pl.col("eligible").list.len().max()
    )
    bounds = []
    for (generation, policy, source), part in groups.group_by("generation", "policy", "source"):
        bound = _of_titles(workspace, int(str(generation)), str(policy), str(source), part)
        if bound is None:
            return None
        bounds.append(bound)
    return min(bounds, default=None)


def _of_titles(workspace: Workspace, generation: int, policy: str, source: str, titles: pl.DataFrame) -> float | None:
    """The bound over some titles of a generation that one policy and source chose for."""
    manifest = find_manifest(workspace, generation)
    path = folder_of(workspace, generation) / "catalogue.parquet"
    if manifest is None or not path.is_file():
        return None
    config = manifest.config
    if source == _PERSONALIZED and policy not in config.names:
        return None
    place = config.names.index(policy) if source == _PERSONALIZED else 0
    floors = config.floors[place]
    words = [*(variant.policy for variant in config.variants), Uniform.name]
    is_uniform = source == _PERSONALIZED and isinstance(parse_policy(words[place]), Uniform)
    total = config.total if source == _PERSONALIZED else TOTAL_WEIGHT
    catalogue = (
        Catalogue.read(path)
        .frame.group_by("title_id")
        .agg(arms=pl.len(), new=pl.col("impressions") < config.new_arm_impressions)
    )
    known = titles.join(catalogue.with_columns(pl.col("title_id").cast(pl.String)), on="title_id", how="left")
    if known["arms"].null_count() or (known["eligible"] > known["arms"]).any():
        return None
    least = 1.0
    for new, shown in known.select("new", "propensity").iter_rows():
        if is_uniform:
            bound = _uniform(tuple(new), floors, total)
        else:
            bound = 0.0 if source == _DEFAULT and len(new) > 1 else _floored(tuple(new), floors, total)
        if not 0 < bound <= shown * (1 + _ROUNDING):
            return None  # no floor; or what was logged is not what this generation drew
        least = min(least, bound, shown)  # which may differ in its last bit
    return least


def _floored(new: tuple[bool, ...], floors: Floors, total: int) -> float:
    """The share w / T of an arm without any probability of its own, as ``quantise`` makes it; 0 where it has no floor.

    Some get a unit more as a remainder, which is not counted. New arms help where all are new: else the least is not.
    """
    arms = len(new)
    if arms == 1:
        return 1.0
    extra = 1 if floors.floor > 0 else 0
    share_new = min(arms * floors.new_floor, MAX_NEW_SHARE) / arms if all(new) else 0.0
    return (extra + floor((floors.floor / arms + share_new) * (total - arms * extra))) / total


@cache
def _uniform(new: tuple[bool, ...], floors: Floors, total: int) -> float:
    """W / T of the arm that gets least under the uniform policy; new arms take from the others."""
    even = np.full((1, len(new)), 1 / len(new))
    return int(quantise(even, None, np.array(new), floors.floor, floors.new_floor, total).min()) / total
