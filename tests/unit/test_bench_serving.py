"""``artwork bench serving`` without servers: rows and requests, the search for a highest rate, verdicts."""

import os
import random
from dataclasses import replace
from math import nan

import pytest

from artwork.bench.serving.contenders import ask_page, ask_row, ask_single, questions
from artwork.bench.serving.highest import bisect
from artwork.bench.serving.plan import ARTWORKS, GENERATION
from artwork.bench.targets import MISSED, SATURATED, Judged, Limit, Target
from artwork.bench.testbed.cores import find_cores, on_core
from artwork.bench.testbed.store_fixture import StoreFixture, identity_of
from bandit.snapshot import TOTAL_WEIGHT, decode_row

DENSE, LISTED = StoreFixture(30, 100, artworks=ARTWORKS), StoreFixture(30, 1000, 100, ARTWORKS)


@pytest.mark.parametrize("ground", [DENSE, LISTED], ids=["dense", "listed"])
def test_the_row_of_a_user_has_a_pick_for_exactly_the_titles_that_are_asked_for(ground: StoreFixture) -> None:
    for user, (user_id, raw) in enumerate(ground.rows(GENERATION)):
        row = decode_row(raw, user_id, GENERATION, identity_of(GENERATION))
        picked = [title for title in range(ground.titles) if row.pick(title) is not None]
        assert picked == list(ground.titles_of(user))
        assert all((pick := row.pick(title)) and pick.arm < ARTWORKS for title in picked)


def test_neighbours_have_different_picks() -> None:
    bodies = {raw[16:] for _, raw in DENSE.rows(GENERATION)}
    assert len(bodies) == DENSE.users


def test_the_fallback_weights_of_every_title_add_up() -> None:
    assert {sum(title.weights) for title in DENSE.catalogue(GENERATION).titles} == {TOTAL_WEIGHT}


def test_every_server_is_asked_for_the_same_users_in_the_same_order() -> None:
    users = [
        [question.path.split("/")[3].partition("?")[0] for question in questions(DENSE, asking)]
        for asking in (ask_single, ask_page)
    ]
    keys = [question.path.removesuffix("}.bin").rpartition("{")[2] for question in questions(DENSE, ask_row)]
    assert len(set(keys)) == DENSE.users
    # The users are drawn first, so what is asked of each does not move them.
    assert users[0] == users[1] == keys


def test_a_page_asks_for_40_different_titles_of_the_user() -> None:
    path = ask_page(LISTED, 7, random.Random(0)).path
    titles = [int(part.partition("=t")[2]) for part in path.partition("?")[2].split("&")]
    assert len(set(titles)) == 40
    assert set(titles) <= set(LISTED.titles_of(7))


@pytest.mark.parametrize("limit", [120.0, 500.0, 990.0])
def test_the_search_ends_just_below_the_rate_that_no_longer_holds(limit: float) -> None:
    found = bisect(lambda rate: rate < limit, 100, 1000, 1.03)
    assert limit / 1.03 <= found < limit


def test_the_search_ends_at_its_lower_bound_where_nothing_holds() -> None:
    assert bisect(lambda _: False, 100, 1000, 1.03) == 100


def test_a_rate_that_does_not_hold_at_once_is_tried_a_second_time() -> None:
    outcomes = iter([False, True] * 100)
    assert bisect(lambda _: next(outcomes), 100, 1000, 1.03) > 1000 / 1.03


@pytest.mark.parametrize(
    ("value", "verdict"), [(1.9, "aim reached"), (2.0, "met"), (4.9, "met"), (5.0, MISSED), (nan, MISSED)]
)
def test_a_limit_is_to_be_stayed_below_and_no_figure_is_no_success(value: float, verdict: str) -> None:
    assert Limit(5, 2).verdict(value) == verdict


def test_what_stands_in_the_way_of_judging_is_said_and_is_no_success() -> None:
    judged = Judged.of("p99", 1.0, "ms", Limit(5, 2), SATURATED)
    assert (judged.verdict, judged.is_reached) == (SATURATED, False)
    assert Judged.of("p99", 1.0, "ms", Limit(5, 2)).is_reached


def test_ratios_have_lower_bounds_and_latencies_upper_ones() -> None:
    ratio, latency = Judged.of("rate", 4.2, "x", Target(4, 5.5)), Judged.of("p99", 4.2, "ms", Limit(5, 2))
    assert (ratio.required, ratio.aim) == ("≥ 4", "≥ 5.5")
    assert (latency.required, latency.aim) == ("< 5", "< 2")
    assert not replace(ratio, verdict=MISSED).is_reached


def test_a_block_runs_on_one_core_and_gives_the_others_back() -> None:
    cores = find_cores()
    if cores.rest is None:
        pytest.skip("this system does not pin processes to cores")
    before = os.sched_getaffinity(0)
    with on_core(cores.rest):
        assert os.sched_getaffinity(0) == {cores.rest}
    assert os.sched_getaffinity(0) == before
