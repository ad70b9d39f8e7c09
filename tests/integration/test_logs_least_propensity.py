"""The smallest probability that an arm could have had, from manifests, beside the weights that generations draw with."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from log_live_day import log_live_day
from make_impressions import FIRST_DAY, draw_impressions, log_days, make_generation, shorten

from batch.choosing.chooser import Chooser
from batch.config import Config, Variant
from batch.logs.workspace_log import read_workspace
from batch.workspace.generations import folder_of
from batch.workspace.impressions import append_impressions
from batch.workspace.workspace import Workspace

NEXT = FIRST_DAY + timedelta(days=1)


def drawn_weights(workspace: Workspace, generation: int) -> float:
    """The smallest probability of any arm, over all users and titles of a generation."""
    chooser = Chooser(workspace, generation)
    contexts, places = chooser.padded_contexts(0, 256), chooser.padded_places(0, 256)
    titles = range(len(chooser.catalogue.title_ids))
    least = min(
        int(chooser.weights(each, chooser.probabilities(each, contexts, places, None), places).min()) for each in titles
    )
    return least / chooser.config.total


def live_only(workspace: Workspace, *policies: str, **settings: Any) -> int:
    """A workspace with impressions of one generation alone, which is returned."""
    shorten(workspace)
    log_days(workspace, 1, 3000)
    generation = make_generation(workspace, *policies, **settings)
    for path in workspace.impressions.rglob("*.parquet"):
        path.unlink()
    log_live_day(workspace, NEXT, generation, 1000)
    return generation


@pytest.mark.parametrize("form", [2, 3])
@pytest.mark.parametrize(
    ("policy", "settings"),
    [
        ("thompson", {}),
        ("greedy", {}),
        ("greedy", {"floor": 0.1}),
        ("greedy", {"floor": 1e-6, "new_floor": 0.01}),
        ("greedy", {"new_arm_impressions": 0}),
        ("greedy", {"floor": 1e-6, "new_arm_impressions": 0}),
        ("greedy", {"floor": 0.0, "new_floor": 0.2}),
        ("thompson", {"new_arm_impressions": 40, "new_floor": 0.2}),
        ("uniform", {"new_arm_impressions": 40, "new_floor": 0.2}),
        ("uniform", {"floor": 0.0}),
        ("uniform", {}),
    ],
)
def test_no_arm_had_less_than_the_least_propensity(
    workspace: Workspace, policy: str, settings: dict[str, Any], form: int
) -> None:
    generation = live_only(workspace, policy, row_format=form, **settings)
    total = 65535 if form == 2 else 4095
    data = read_workspace(workspace)
    least, drawn = data.least_propensity, drawn_weights(workspace, generation)
    assert least is not None
    assert data.log.propensities is not None
    assert least <= data.log.propensities.min()
    assert least <= drawn
    assert least >= 1 / total
    if policy == "uniform":
        assert least == drawn
    if policy == "greedy":  # which gives most arms nothing of its own: the bound is one of them, but for a last unit
        assert drawn - least <= 1.01 / total


def test_without_a_floor_an_arm_may_have_no_chance_and_nothing_is_known(workspace: Workspace) -> None:
    live_only(workspace, "greedy", floor=0.0, new_arm_impressions=0)
    assert read_workspace(workspace).least_propensity is None


def test_every_variant_counts_with_the_floors_of_its_own(workspace: Workspace) -> None:
    variants = (
        Variant("a", "greedy", floor=0.2),
        Variant("b", "greedy", floor=0.05),
        Variant("c", "uniform", floor=0.0),
    )
    generation = live_only(workspace, config=Config(variants, new_arm_impressions=0))
    least, drawn = read_workspace(workspace).least_propensity, drawn_weights(workspace, generation)
    assert least is not None
    assert 0 <= drawn - least <= 1.01 / 4095
    assert least < 0.05 / 3


def test_a_variant_without_a_floor_leaves_nothing_known(workspace: Workspace) -> None:
    variants = (Variant("a", "greedy", floor=0.2), Variant("b", "greedy", floor=0.0))
    live_only(workspace, config=Config(variants, new_arm_impressions=0))
    assert read_workspace(workspace).least_propensity is None


def test_explore_users_do_not_hide_the_floor_of_the_others(workspace: Workspace) -> None:
    generation = live_only(workspace, "greedy", explore_share=0.3, new_arm_impressions=0)
    data = read_workspace(workspace)
    assert data.least_propensity is not None
    assert data.least_propensity <= drawn_weights(workspace, generation)
    assert data.least_propensity < 0.02


def test_where_a_generation_is_gone_nothing_is_known(workspace: Workspace) -> None:
    generation = live_only(workspace, "thompson")
    append_impressions(workspace, FIRST_DAY, draw_impressions(workspace, FIRST_DAY, 50).with_columns(generation=9))
    assert read_workspace(workspace).least_propensity is None
    for path in (workspace.impressions / f"day={FIRST_DAY}").glob("*.parquet"):
        path.unlink()
    assert read_workspace(workspace).least_propensity is not None
    (folder_of(workspace, generation) / "manifest.json").unlink()
    assert read_workspace(workspace).least_propensity is None


def test_a_manifest_that_says_otherwise_than_the_log_is_not_believed(workspace: Workspace) -> None:
    generation = live_only(workspace, "greedy")
    path = folder_of(workspace, generation) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["config"]["variants"][0]["floor"] = 0.5
    path.write_text(json.dumps(manifest))
    assert read_workspace(workspace).least_propensity is None


def test_a_default_that_was_shown_beside_others_leaves_them_no_chance(workspace: Workspace) -> None:
    generation = live_only(workspace, "thompson")
    frame = draw_impressions(workspace, FIRST_DAY, 50).with_columns(
        generation=pl.lit(generation), source=pl.lit("default"), policy=pl.lit("default"), propensity=pl.lit(1.0)
    )
    append_impressions(workspace, FIRST_DAY, frame)
    assert read_workspace(workspace).least_propensity is None


def test_the_log_knows_whom_each_impression_was_shown_to(workspace: Workspace) -> None:
    log_days(workspace, 1, 500)
    users = read_workspace(workspace).log.users
    shown = draw_impressions(workspace, FIRST_DAY, 500).sort("shown_at", "event_id")["user_id"]
    assert users is not None
    assert users.tolist() == (np.unique(shown.to_numpy(), return_inverse=True)[1]).tolist()
