"""By full enumeration of picks and draws: weighted by 1 / propensity, every artwork that remains counts once."""

import tracemalloc
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import polars as pl
import pytest

from bandit.arrays import I64, U64
from bandit.snapshot import Overlay
from batch.events.decisions import Judged, judge
from batch.events.recorded import Found, RecordedGeneration

TOTAL = 65535
PICK = (20000, 30000, 10000, 5535)
FALLBACK = (6553, 26214, 32767, 1)
ARMS = range(4)
NONE = -1


class OneDecision(RecordedGeneration):
    """A title of four artworks and a user whose pick and fallback's draw are as they are asked for."""

    def __init__(
        self, pick: int, hashed: int, fallback: Sequence[int] = FALLBACK, weights: Sequence[int] = PICK
    ) -> None:
        self.total = sum(weights)
        self.contexts, self.n_users = pl.Series([[1.0], [0.5]], dtype=pl.List(pl.Float32)), 1
        self.segments = ["tv"]
        self.sizes = np.array([4])
        self.there = np.ones((1, 4), dtype=np.bool_)
        self.weights = np.array([fallback])
        self.defaults = np.array([1])
        self._pick, self._hashed, self._drawn = pick, hashed, weights

    def arms(self, title: int, artwork_ids: object) -> tuple[int, ...]:  # noqa: ARG002
        assert isinstance(artwork_ids, tuple)
        return tuple(map(int, artwork_ids))

    def look_up(self, rows: pl.DataFrame) -> Found:
        weight = self._drawn[self._pick] if self._pick != NONE else NONE
        title, arm, user, picked, weights = (
            np.array([value]) for value in (0, int(rows["artwork_id"][0]), 0, self._pick, weight)
        )
        return Found(title, arm, user, picked, weights, pl.Series(["softmax"]), np.array([NONE]))

    def fallback_hashes(self, users: I64, titles: I64) -> U64:  # noqa: ARG002
        return np.array([self._hashed], dtype=np.uint64)

    def segment_hashes(self, user_ids: pl.Series, titles: I64) -> U64:  # noqa: ARG002
        return np.array([self._hashed], dtype=np.uint64)

    def segment_weights(self, segments: I64, titles: I64) -> I64:  # noqa: ARG002
        return self.weights

    @property
    def segment_policy(self) -> str:
        return "softmax"

    def pick_weights(self, users: I64, titles: I64) -> I64:  # noqa: ARG002
        return np.array([self._drawn])


def judged(decision: OneDecision, arm: int, source: str, retired: Sequence[int], segment: str | None = None) -> Judged:
    overlays = {3: Overlay(3, {"t": tuple(map(str, retired))} if retired else {})}
    own = {"user_id": "u", "title_id": "t", "artwork_id": str(arm), "revision": 3, "source": source, "segment": segment}
    return judge(decision, pl.DataFrame([own], schema_overrides={"segment": pl.String}), overlays)


def hash_that_draws(arm: int, weights: Sequence[int]) -> int:
    """The middle of the hashes that draw an arm."""
    total = sum(weights)
    return int(Fraction(2 * sum(weights[:arm]) + weights[arm], 2 * total) * 2**64)


def weighted_counts(
    retired: Sequence[int], failing: Fraction, fallback: Sequence[int] = FALLBACK, *, has_pick: bool = True
) -> dict[int, Fraction]:
    """Σ P(shown = a) / propensity of every artwork, over all picks, all draws of the fallback, and whether the store answers."""
    left = [0 if arm in retired else weight for arm, weight in enumerate(fallback)]
    total = sum(left)
    draws = {arm: Fraction(left[arm], total) for arm in ARMS if left[arm]} if total else {0: Fraction(1)}
    counts: dict[int, Fraction] = defaultdict(Fraction)
    for pick, (draw, q), fails in product(ARMS if has_pick else [NONE], draws.items(), [False, True]):
        p = Fraction(PICK[pick], TOTAL) if has_pick else Fraction(1)
        chance = p * q * (failing if fails else 1 - failing)
        stands = has_pick and not fails and pick not in retired
        shown = pick if stands else draw
        source = "personalized" if stands else "popularity" if total else "default"
        hashed = hash_that_draws(draw, left) if total else 0
        made = judged(OneDecision(pick, hashed, fallback), shown, source, retired)
        assert made.reason[0] == ""
        assert made.eligible[0].to_list() == [arm for arm in ARMS if arm not in retired]
        counts[shown] += chance / Fraction(made.propensity[0])
    return counts


@pytest.mark.parametrize("retired", [(), (1,), (0, 3), (0, 1, 2)])
def test_every_artwork_counts_once_while_the_store_answers(retired: tuple[int, ...]) -> None:
    counts = weighted_counts(retired, Fraction(0))
    assert counts.keys() == set(ARMS) - set(retired)
    for count in counts.values():
        assert float(count) == pytest.approx(1.0, abs=1e-12)


def test_every_artwork_counts_once_where_the_default_alone_answers_for_what_is_retired() -> None:
    counts = weighted_counts((1,), Fraction(0), fallback=(0, TOTAL, 0, 0))  # nothing is left of the weights
    for arm in (0, 2, 3):
        assert float(counts[arm]) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("failing", [Fraction(1, 10), Fraction(9, 10)])
def test_a_store_that_fails_biases_nothing_where_nothing_is_retired(failing: Fraction) -> None:
    for count in weighted_counts((), failing).values():
        assert float(count) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("retired", [(), (1,), (0, 3)])
def test_every_artwork_counts_once_for_users_without_a_pick(retired: tuple[int, ...]) -> None:
    for count in weighted_counts(retired, Fraction(1, 3), has_pick=False).values():
        assert float(count) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("retired", [(1,), (0, 3)])
@pytest.mark.parametrize("failing", [Fraction(1, 1000), Fraction(1, 5)])
def test_a_store_that_fails_and_artworks_that_retired_together_bias_by_what_is_stated(
    retired: tuple[int, ...], failing: Fraction
) -> None:
    left = [0 if arm in retired else weight for arm, weight in enumerate(FALLBACK)]
    gone = Fraction(sum(PICK[arm] for arm in retired), TOTAL)
    for arm, count in weighted_counts(retired, failing).items():
        p = Fraction(PICK[arm], TOTAL)
        through = p + gone * Fraction(left[arm], sum(left))
        assert float(count) == pytest.approx(float(1 + failing * (1 - gone - p / through)), abs=1e-12)
        assert abs(count - 1) <= failing


@pytest.mark.parametrize("weights", [PICK, (1250, 1875, 625, 345)])
def test_the_propensity_after_a_retirement_is_not_that_of_the_answer_alone(weights: Sequence[int]) -> None:
    decision = OneDecision(1, hash_that_draws(2, (6553, 0, 32767, 1)), weights=weights)
    made = judged(decision, 2, "popularity", (1,))
    q = 32767 / (6553 + 32767 + 1)
    assert made.propensity[0] == pytest.approx((weights[2] + q * weights[1]) / sum(weights), abs=1e-15)
    assert made.policy[0] == "popularity"
    assert not made.stands[0]


@pytest.mark.parametrize("weights", [PICK, (1250, 1875, 625, 345), (500, 1000, 500, 47)])
@pytest.mark.parametrize(("pick", "source"), [(2, "popularity"), (NONE, "popularity"), (2, "personalized")])
def test_without_retirement_the_propensity_is_that_of_the_draw(pick: int, source: str, weights: Sequence[int]) -> None:
    """Of a pick over its generation's total, of the fallback over 65535 in every row format."""
    made = judged(OneDecision(pick, hash_that_draws(2, FALLBACK), weights=weights), 2, source, ())
    wanted = weights[2] / sum(weights) if source == "personalized" else FALLBACK[2] / 65535
    assert made.propensity[0] == wanted
    assert made.stands[0] == (pick != NONE and source == "popularity")


def test_a_weight_that_is_not_computed_again_is_set_aside() -> None:
    class Other(OneDecision):
        def pick_weights(self, users: I64, titles: I64) -> I64:  # noqa: ARG002
            return np.array([[20000, 30000, 10002, 5533]])

    assert judged(Other(2, 0), 2, "personalized", (1,)).reason[0] == "weight not reproduced"
    assert judged(Other(2, 0), 2, "personalized", ()).reason[0] == ""  # nothing needs it


@pytest.mark.parametrize("retired", [(), (1,), (0, 3)])
@pytest.mark.parametrize("pick", [NONE, 1, 2])
def test_every_artwork_counts_once_where_a_segment_answers(retired: tuple[int, ...], pick: int) -> None:
    left = [0 if arm in retired else weight for arm, weight in enumerate(FALLBACK)]
    for arm in ARMS:
        if left[arm]:
            made = judged(OneDecision(pick, hash_that_draws(arm, left)), arm, "segment", retired, "tv")
            assert (made.reason[0], made.policy[0]) == ("", "softmax")
            assert Fraction(left[arm], sum(left)) / Fraction(made.propensity[0]) == pytest.approx(1.0, abs=1e-12)
            assert made.stands[0] == (pick != NONE and pick not in retired)


def test_another_artwork_than_a_segment_draws_is_set_aside() -> None:
    decision = OneDecision(NONE, hash_that_draws(2, FALLBACK))
    assert judged(decision, 1, "segment", (), "tv").reason[0] == "not the draw"
    assert judged(decision, 2, "segment", (2,), "tv").reason[0] == "retired artwork"
    assert judged(OneDecision(NONE, 0, (0, TOTAL, 0, 0)), 0, "segment", (1,), "tv").reason[0] == "not the draw"
    for name in (None, "", "TV"):
        assert judged(decision, 2, "segment", (), name).reason[0] == "unknown segment"


class ManyDecisions(OneDecision):
    """Impressions of a title of many artworks."""

    def __init__(self, size: int) -> None:
        super().__init__(NONE, 0)
        self.sizes, self.there = np.array([size]), np.ones((1, size), dtype=np.bool_)
        self.weights = np.array([[TOTAL - size + 1, *[1] * (size - 1)]])

    def look_up(self, rows: pl.DataFrame) -> Found:
        zeros = np.zeros(rows.height, dtype=np.int64)
        none = zeros + NONE
        return Found(zeros, zeros, zeros, none, none, pl.Series([None] * rows.height, dtype=pl.String), none)

    def fallback_hashes(self, users: I64, titles: I64) -> U64:  # noqa: ARG002
        return np.zeros(len(titles), dtype=np.uint64)

    def segment_hashes(self, user_ids: pl.Series, titles: I64) -> U64:  # noqa: ARG002
        return np.zeros(len(titles), dtype=np.uint64)

    def segment_weights(self, segments: I64, titles: I64) -> I64:  # noqa: ARG002
        return self.weights[titles]


@pytest.mark.parametrize("source", ["segment", "popularity"])
def test_draws_of_many_impressions_of_large_titles_take_little_memory(source: str) -> None:
    count, size = 40_000, 200  # 64 MB as whole numbers of eight bytes
    own = {"user_id": "u", "title_id": "t", "artwork_id": "0", "revision": 0, "source": source, "segment": "tv"}
    rows = pl.DataFrame([own]).select(pl.all().repeat_by(count).explode())
    tracemalloc.start()
    try:
        made = judge(ManyDecisions(size), rows, {0: Overlay(0, {})})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made.reason.unique().to_list() == [""]
    assert made.propensity.unique().to_list() == [(TOTAL - size + 1) / TOTAL]
    assert peak < 64_000_000
