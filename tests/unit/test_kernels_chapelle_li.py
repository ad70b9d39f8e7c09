import naive
import numpy as np
import numpy.typing as npt
import pytest

from bandit.kernels.chapelle_li import BATCHES, EACH, REFITS, THOMPSON, UCB, play

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

POLICIES = {"ucb": UCB, "thompson": THOMPSON}
READINGS = {"batches": BATCHES, "each": EACH, "refits": REFITS}
NONE: I64 = np.empty(0, dtype=np.int64)
KEY = 0x5EED


def played(
    policy: str,
    reading: str,
    delay: int,
    rates: F64,
    uniforms: F64,
    times: I64 = NONE,
    items: I64 = NONE,
    arrivals: F64 | None = None,
) -> list[tuple[int, bool, float]]:
    """Arm, take and regret of each step by the kernel."""
    steps = len(uniforms)
    arms, takes, regrets = np.full(steps, 99, dtype=np.uint8), np.full(steps, 99, dtype=np.uint8), np.full(steps, -1.0)
    stream = np.array([KEY, 0], dtype=np.uint64)
    coming = np.empty(0) if arrivals is None else arrivals
    with np.errstate(over="ignore"):
        play(
            POLICIES[policy],
            READINGS[reading],
            delay,
            rates.copy(),
            times,
            items,
            coming,
            uniforms,
            stream,
            arms,
            takes,
            regrets,
        )
    return [(int(a), bool(t), float(r)) for a, t, r in zip(arms, takes, regrets, strict=True)]


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("delay", [1, 3, 20, 1000])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_trajectory_is_that_of_the_naive_twin(policy: str, delay: int, reading: str) -> None:
    random = np.random.default_rng(delay)
    steps, k = 300, 4
    times = np.flatnonzero(random.random(steps) < 0.05)
    items, arrivals = random.integers(0, k, len(times)), random.beta(4, 4, len(times))
    rates, uniforms = random.beta(4, 4, k), random.random(steps)
    replacements = {int(t): (int(a), float(rate)) for t, a, rate in zip(times, items, arrivals, strict=True)}
    wanted = naive.chapelle_li(policy, reading, delay, rates.tolist(), replacements, uniforms.tolist(), KEY)
    assert played(policy, reading, delay, rates, uniforms, times, items, arrivals) == wanted


@pytest.mark.parametrize("policy", POLICIES)
def test_the_readings_are_the_same_without_a_delay(policy: str) -> None:
    random = np.random.default_rng(1)
    rates, uniforms = random.beta(4, 4, 10), random.random(400)
    times, items, arrivals = np.array([50, 51, 300]), np.array([0, 0, 9]), np.array([0.9, 0.1, 0.95])
    found = [played(policy, reading, 1, rates, uniforms, times, items, arrivals) for reading in READINGS]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_single_item_has_no_regret(policy: str, reading: str) -> None:
    steps = played(policy, reading, 2, np.array([0.3]), np.linspace(0, 0.99, 50))
    assert {(arm, regret) for arm, _, regret in steps} == {(0, 0.0)}
    assert sum(take for _, take, _ in steps) == 15


@pytest.mark.parametrize("policy", POLICIES)
def test_rates_of_zero_and_one_are_told_apart(policy: str) -> None:
    steps = played(policy, "batches", 1, np.array([0.0, 1.0]), np.random.default_rng(2).random(400))
    assert [arm for arm, _, _ in steps[-50:]].count(1) > 40


@pytest.mark.parametrize("policy", POLICIES)
def test_a_rate_that_is_not_a_number_is_never_taken(policy: str) -> None:
    steps = played(policy, "batches", 1, np.array([np.nan, 0.5]), np.random.default_rng(3).random(200))
    assert not any(take for arm, take, _ in steps if arm == 0)
    assert [arm for arm, _, _ in steps].count(1) > 100


def test_no_steps_leave_the_stream_alone() -> None:
    assert played("thompson", "batches", 1, np.array([0.5, 0.6]), np.empty(0)) == []


def test_the_first_of_several_unseen_items_is_chosen_until_its_reward_arrives() -> None:
    steps = played("ucb", "batches", 5, np.full(3, 0.5), np.full(15, 0.9))
    assert [arm for arm, _, _ in steps] == [0] * 5 + [1] * 5 + [2] * 5


def test_rewards_of_a_retired_item_are_lost() -> None:
    steps = played("ucb", "each", 4, np.full(2, 0.5), np.full(8, 0.1), np.array([2]), np.array([0]), np.array([0.5]))
    # The rewards of steps 0 and 1 belong to the item that left at step 2; that of step 2 arrives at step 6.
    assert [arm for arm, _, _ in steps] == [0] * 6 + [1] * 2


def test_under_refits_a_replacement_is_not_known_before_the_next_batch() -> None:
    def arms(reading: str) -> list[int]:
        times, items, arrivals = np.array([12]), np.array([1]), np.array([0.5])
        steps = played("ucb", reading, 5, np.array([0.9, 0.1]), np.full(20, 0.5), times, items, arrivals)
        return [arm for arm, _, _ in steps]

    assert arms("batches") == [0] * 5 + [1] * 5 + [0] * 2 + [1] * 3 + [0] * 5
    assert arms("refits") == [0] * 5 + [1] * 5 + [0] * 5 + [1] * 5
