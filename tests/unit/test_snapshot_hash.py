import naive
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from bandit.errors import InputError
from bandit.snapshot import MASK64, TOTAL_WEIGHT, draw, id64, keyed_hash, mix64

WORDS = st.integers(0, MASK64)
IDS = st.text("abcXYZ019._~-", min_size=1, max_size=64)

VECTORS = [
    (("draw", 7, 17, "u1", "t1"), 0x2603AAF924809593),
    (("draw", 0, 1, "u", "t"), 0x2E4DC314DD8476FB),
    (("fallback", 7, 17, "u1", "t1"), 0x4673569F9666E325),
    (("draw", 8, 17, "u1", "t1"), 0xEB3ABC2AAAAF56D),
    (("draw", 7, 18, "u1", "t1"), 0x352721225DB21566),
    (("draw", 7, 17, "t1", "u1"), 0x1F15FB140B50008A),
    (("draw", MASK64, 2**32 - 1, "A" * 64, "z.~_-9"), 0xF2C84965A3D19D40),
]


@pytest.mark.parametrize(("key", "hashed"), VECTORS)
def test_the_hash_of_known_keys_never_changes(key: tuple[str, int, int, str, str], hashed: int) -> None:
    assert keyed_hash(*key) == hashed


def test_the_mixer_makes_the_published_sequence_of_splitmix64() -> None:
    # Seed 1234567, as on https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64
    states = [(1234567 + step * 0x9E3779B97F4A7C15) & MASK64 for step in (1, 2, 3)]
    assert [mix64(state) for state in states] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(st.text("abc_", max_size=20), WORDS, WORDS, IDS, IDS)
@settings(deadline=None)
def test_the_hash_agrees_with_its_definition(
    purpose: str, seed: int, generation: int, user_id: str, title_id: str
) -> None:
    key = (purpose, seed, generation, user_id, title_id)
    assert keyed_hash(*key) == naive.keyed_hash(*key)


def test_the_id_of_a_text_is_its_little_endian_digest() -> None:
    assert id64("u1").to_bytes(8, "little").hex() == "92994d683f4e6ad5"


@pytest.mark.parametrize("place", range(5))
def test_every_part_of_the_key_changes_the_hash(place: int) -> None:
    key = ["draw", 7, 17, "u1", "t1"]
    other = ["fallback", 8, 18, "u2", "t2"]
    changed = key[:place] + other[place : place + 1] + key[place + 1 :]
    assert keyed_hash(*changed) != keyed_hash(*key)  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 500), min_size=1, max_size=20), WORDS)
@settings(deadline=None)
def test_the_drawn_arm_agrees_with_its_definition(parts: list[int], hashed: int) -> None:
    weights = [*parts, TOTAL_WEIGHT - sum(parts)]
    assert draw(weights, hashed) == naive.draw(weights, hashed)


def test_the_smallest_and_the_largest_hash_draw_the_outermost_arms_with_weight() -> None:
    weights = [0, 1, 65533, 1, 0]
    assert (draw(weights, 0), draw(weights, MASK64)) == (1, 3)


@pytest.mark.parametrize("cut", [1, 30_000, 65_534])
def test_an_arm_begins_at_the_first_hash_that_reaches_its_cumulative_weight(cut: int) -> None:
    first = -(-cut * 2**64 // TOTAL_WEIGHT)
    assert (draw([cut, TOTAL_WEIGHT - cut], first - 1), draw([cut, TOTAL_WEIGHT - cut], first)) == (0, 1)


def test_weights_that_do_not_add_up_are_refused_with_their_sum() -> None:
    with pytest.raises(InputError, match="add up to 3, expected 65535"):
        draw([1, 2], MASK64)


def test_arms_are_drawn_as_often_as_their_weights_say() -> None:
    weights = [40_000, 20_000, 5_000, 535]
    drawn = [draw(weights, keyed_hash("draw", 3, 1, f"u{user}", "t")) for user in range(40_000)]
    observed = [drawn.count(arm) for arm in range(4)]
    assert chisquare(observed, [weight / TOTAL_WEIGHT * len(drawn) for weight in weights]).pvalue > 1e-3
