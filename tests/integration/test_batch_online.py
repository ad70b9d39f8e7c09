"""What policies came to that were live side by side: who counts, what is left out, and how sure it is."""

from dataclasses import replace
from datetime import date, timedelta
from math import hypot
from typing import Any

import polars as pl
import pytest
from log_live_day import log_live_day
from make_impressions import FIRST_DAY, draw_impressions, log_days, make_generation, shorten, silent
from naive_evaluation import clustered_error

from artwork.reports.live_tables import agreement_line
from bandit.evaluation import Settings
from batch.config import Config, Variant
from batch.offline.compare import Request, compare
from batch.offline.live_pairs import OnlinePair, online_pairs
from batch.workspace.generations import Manifest, claim, write_manifest
from batch.workspace.impressions import append_impressions
from batch.workspace.workspace import Workspace

COUNT = 4000
SETTINGS = Settings(resamples=400, seed=2)


def day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


def pairs(workspace: Workspace, reward: str = "take") -> list[OnlinePair]:
    return online_pairs(workspace, reward, SETTINGS)


def claimed(workspace: Workspace, *policies: str, **settings: Any) -> int:
    """A generation of which there is a manifest and no more."""
    generation = claim(workspace)
    write_manifest(workspace, Manifest.new(generation, None, Config.of(*policies, **settings)))
    return generation


def logged_under(workspace: Workspace, number: int, generation: int, policies: list[str], count: int = COUNT) -> None:
    """A day of drawn impressions that users' places say the policy of."""
    frame = draw_impressions(workspace, day(number), count)
    users = pl.read_parquet(workspace.users)["user_id"].to_list()
    under = {user: policies[place % len(policies)] for place, user in enumerate(users)}
    named = frame.with_columns(
        generation=pl.lit(generation), policy=pl.col("user_id").replace_strict(under, return_dtype=pl.String)
    )
    append_impressions(workspace, day(number), named)


def test_each_policy_came_to_its_takes_over_its_impressions(workspace: Workspace) -> None:
    shorten(workspace)
    log_days(workspace, 2, COUNT)
    generation = make_generation(workspace, "thompson", "greedy", explore_share=0.2, seed=3)
    frame = pl.concat(log_live_day(workspace, day(number), generation, 2000) for number in (2, 3))
    [pair] = pairs(workspace)
    rewards = pl.col("watch_fraction") >= 0.7
    for rate in (pair.policy, pair.against):
        own = frame.filter(pl.col("policy") == rate.policy)
        assert (rate.users, rate.impressions) == (own["user_id"].n_unique(), own.height)
        assert rate.rate == pytest.approx(own.select(rewards.mean()).item())
        assert rate.lower is not None
        assert rate.upper is not None
        assert rate.lower < rate.rate < rate.upper
    assert (pair.policy.policy, pair.against.policy) == ("thompson", "greedy")
    assert pair.difference == pytest.approx(pair.policy.rate - pair.against.rate)
    assert (pair.generations, pair.days, pair.first_day, pair.last_day) == (1, 2, str(day(2)), str(day(3)))


def test_other_rewards_count_where_they_are_asked_for(workspace: Workspace) -> None:
    logged_under(workspace, 0, claimed(workspace, "thompson", "greedy"), ["thompson", "greedy"])
    [takes], [clicks] = pairs(workspace), pairs(workspace, "click")
    assert clicks.policy.rate > 2 * takes.policy.rate


def test_intervals_are_as_wide_as_the_error_that_knows_users(workspace: Workspace) -> None:
    logged_under(workspace, 0, claimed(workspace, "thompson", "greedy"), ["thompson", "greedy"])
    [pair] = pairs(workspace)
    frame = draw_impressions(workspace, day(0), COUNT)
    codes = {user: place for place, user in enumerate(pl.read_parquet(workspace.users)["user_id"])}
    errors = []
    for side in (0, 1):
        own = frame.filter(pl.Series([codes[user] % 2 == side for user in frame["user_id"]]))
        rewards = (own["watch_fraction"] >= 0.7).cast(pl.Float64).to_list()
        errors.append(clustered_error(rewards, [codes[user] for user in own["user_id"]]))
    assert pair.lower is not None
    assert pair.upper is not None
    assert pair.upper - pair.lower == pytest.approx(2 * 1.96 * hypot(*errors), rel=0.15)


def test_a_share_that_was_raised_while_both_got_better_makes_no_lead(workspace: Workspace) -> None:
    """Of ten users nine have the first policy in generation 1 and one in generation 2, when everything is taken."""
    users = pl.read_parquet(workspace.users)["user_id"].to_list()
    for number, first_of_ten in ((0, 9), (1, 1)):
        frame = draw_impressions(workspace, day(number), COUNT)
        on_first = {user: place % 10 < first_of_ten for place, user in enumerate(users)}
        taken = 1.0 if number else 0.0
        policy = pl.col("user_id").replace_strict(on_first, return_dtype=pl.Boolean)
        frame = frame.with_columns(
            generation=pl.lit(claimed(workspace, "thompson", "greedy", share=1 - first_of_ten / 10)),
            policy=pl.when(policy).then(pl.lit("thompson")).otherwise(pl.lit("greedy")),
            clicked=pl.lit(value=True),
            watch_fraction=pl.lit(taken),
        )
        append_impressions(workspace, day(number), frame)
    [pair] = pairs(workspace)
    assert pair.policy.rate == pytest.approx(0.5)
    assert pair.difference == pytest.approx(0.0, abs=1e-12)
    assert pair.generations == 2


def test_explore_data_and_answers_of_the_fallback_are_left_out(workspace: Workspace) -> None:
    """The fallback is named as the second policy is, and answers users of both variants."""
    generation = claimed(workspace, "thompson", "popularity", explore_share=0.3)
    logged_under(workspace, 0, generation, ["thompson", "popularity", "uniform"])
    [without] = pairs(workspace)
    fallback = draw_impressions(workspace, day(0), COUNT, seed=2).with_columns(
        event_id="f" + pl.col("event_id"),
        generation=pl.lit(generation),
        policy=pl.lit("popularity"),
        source=pl.lit("popularity"),
    )
    append_impressions(workspace, day(0), fallback)
    assert pairs(workspace) == [without]
    assert (without.policy.policy, without.against.policy) == ("thompson", "popularity")
    assert without.policy.impressions + without.against.impressions == pytest.approx(COUNT * 2 / 3, rel=0.05)


def test_uniform_counts_where_it_is_live_and_not_on_the_explore_days_before(workspace: Workspace) -> None:
    logged_under(workspace, 0, claimed(workspace, "uniform"), ["uniform"])
    logged_under(workspace, 1, claimed(workspace, "thompson", "uniform"), ["thompson", "uniform"])
    [pair] = pairs(workspace)
    assert pair.against.policy == "uniform"
    assert (pair.days, pair.first_day) == (1, str(day(1)))
    assert pair.against.impressions < COUNT


def test_policies_of_two_generations_are_not_side_by_side(workspace: Workspace) -> None:
    logged_under(workspace, 0, claimed(workspace), ["thompson"])
    frame = draw_impressions(workspace, day(1), COUNT, seed=2)
    greedy = claimed(workspace, "greedy")
    append_impressions(workspace, day(1), frame.with_columns(generation=pl.lit(greedy), policy=pl.lit("greedy")))
    assert pairs(workspace) == []


def test_policies_that_changed_places_are_one_pair(workspace: Workspace) -> None:
    both = ["thompson", "greedy"]
    logged_under(workspace, 0, claimed(workspace, "thompson", "greedy"), both)
    logged_under(workspace, 1, claimed(workspace, "greedy", "thompson"), both)
    [pair] = pairs(workspace)
    assert (pair.policy.policy, pair.against.policy) == ("thompson", "greedy")
    assert (pair.generations, pair.days) == (2, 2)
    assert pair.policy.impressions + pair.against.impressions == 2 * COUNT


def test_two_settings_of_one_policy_after_each_other_are_two_pairs(workspace: Workspace) -> None:
    both = ["thompson", "epsilon_greedy"]
    for number, epsilon in enumerate((0.1, 0.3)):
        generation = claimed(workspace, "thompson", f"epsilon_greedy:epsilon={epsilon}")
        logged_under(workspace, number, generation, both)
    names = [(pair.policy.policy, pair.against.policy) for pair in pairs(workspace)]
    assert names == [("thompson", "epsilon_greedy:epsilon=0.1"), ("thompson", "epsilon_greedy:epsilon=0.3")]


def test_every_two_of_several_variants_are_a_pair_told_by_names_where_they_have_some(workspace: Workspace) -> None:
    variants = (Variant("flat", posterior="linear"), Variant("deep", posterior="shared"), Variant(policy="greedy"))
    generation = claim(workspace)
    write_manifest(workspace, Manifest.new(generation, None, Config(variants)))
    logged_under(workspace, 0, generation, ["flat", "deep", "greedy"])
    told = [(pair.policy.policy, pair.against.policy) for pair in pairs(workspace)]
    flat, deep = "flat (thompson)", "deep (thompson)"
    assert told == [(flat, deep), (flat, "greedy"), (deep, "greedy")]
    compared = compare(Request(workspace=workspace.root, policies="uniform,thompson,greedy"), silent)
    assert [pair.offline is None for pair in compared.online] == [True, False, False]
    assert agreement_line(compared.online[0]).startswith(
        "flat (thompson) and deep (thompson) were not both judged offline"
    )


def test_of_generations_that_were_made_elsewhere_the_log_tells_the_names(workspace: Workspace) -> None:
    logged_under(workspace, 0, 7, ["mine", "yours", "uniform"])
    [pair] = pairs(workspace)
    assert (pair.policy.policy, pair.against.policy) == ("mine", "yours")


def test_a_variant_of_few_users_has_no_interval(workspace: Workspace) -> None:
    users = pl.read_parquet(workspace.users)["user_id"].to_list()
    generation = claimed(workspace, "thompson", "greedy")
    frame = draw_impressions(workspace, day(0), COUNT).with_columns(
        generation=pl.lit(generation),
        policy=pl.when(pl.col("user_id").is_in(users[:29])).then(pl.lit("greedy")).otherwise(pl.lit("thompson")),
    )
    append_impressions(workspace, day(0), frame)
    [pair] = pairs(workspace)
    assert pair.against.users == 29
    assert (pair.lower, pair.upper, pair.policy.lower, pair.against.upper) == (None, None, None, None)
    assert pair.difference == pair.policy.rate - pair.against.rate


def test_a_seed_repeats_the_interval(workspace: Workspace) -> None:
    logged_under(workspace, 0, claimed(workspace, "thompson", "greedy"), ["thompson", "greedy"])
    [one], [other] = pairs(workspace), online_pairs(workspace, "take", replace(SETTINGS, seed=3))
    assert pairs(workspace) == [one]
    assert other.difference == one.difference
    assert (other.lower, other.upper) != (one.lower, one.upper)
