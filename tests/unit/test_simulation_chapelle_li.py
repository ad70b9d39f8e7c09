import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from bandit.errors import InputError
from bandit.simulation.delay import Delay
from bandit.simulation.studies.chapelle_li import POLICIES, Items, Repetition, delays_of, regrets_of, simulate

F64 = npt.NDArray[np.float64]

STEPS = 30_000


def items(seed: int, steps: int = STEPS) -> Items:
    return Items.draw(steps, np.random.default_rng(seed))


def test_an_item_retires_once_in_a_thousand_steps() -> None:
    counts = [len(items(seed).times) for seed in range(40)]
    assert stats.binomtest(sum(counts), 40 * STEPS, 1e-3).pvalue > 0.01


def test_every_place_is_as_likely_to_retire() -> None:
    retired = np.concatenate([items(seed).retired for seed in range(40)])
    assert stats.chisquare(np.bincount(retired, minlength=10)).pvalue > 0.01


def test_rates_follow_beta_of_four_and_four() -> None:
    drawn = [items(seed) for seed in range(40)]
    rates = np.concatenate([np.concatenate((one.rates, one.arrivals)) for one in drawn])
    assert stats.kstest(rates, stats.beta(4, 4).cdf).pvalue > 0.01


@pytest.mark.parametrize("policy", POLICIES)
def test_a_take_is_as_likely_as_the_item_of_the_step_says(policy: str) -> None:
    there = items(3)
    uniforms = np.random.default_rng(4).random(STEPS)
    made = simulate(policy, Delay(10), there, uniforms, key=1)
    rates, best = there.rates.copy(), np.empty(STEPS)
    shown, event = np.empty(STEPS), 0
    for t in range(STEPS):
        if event < len(there.times) and there.times[event] == t:
            rates[there.retired[event]] = there.arrivals[event]
            event += 1
        shown[t], best[t] = rates[made.arms[t]], rates.max()
    assert (made.takes == (uniforms < shown)).all()
    assert (made.regrets == best - shown).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_the_items_are_as_they_were_after_a_simulation(policy: str) -> None:
    there = items(5, 3000)
    before = there.rates.copy()
    simulate(policy, Delay(1), there, np.random.default_rng(0).random(3000), key=1)
    assert (there.rates == before).all()


def test_the_key_moves_thompson_sampling_and_not_ucb() -> None:
    there, uniforms = items(6, 3000), np.random.default_rng(7).random(3000)
    arms = {p: [simulate(p, Delay(1), there, uniforms, key).arms for key in (1, 2)] for p in POLICIES}
    assert (arms["ucb"][0] == arms["ucb"][1]).all()
    assert (arms["thompson"][0] != arms["thompson"][1]).any()


def test_a_repetition_is_the_same_whichever_delays_run_beside_it() -> None:
    alone = regrets_of(Repetition(1, 2, 3000, (Delay(10),)))
    together = regrets_of(Repetition(1, 2, 3000, (Delay(1), Delay(100, "each"), Delay(10))))
    assert (together[2] == alone[0]).all()
    assert (regrets_of(Repetition(1, 3, 3000, (Delay(10),))) != alone).all()
    assert (regrets_of(Repetition(2, 2, 3000, (Delay(10),))) != alone).all()


def test_thompson_sampling_has_less_regret_than_ucb_and_delay_costs() -> None:
    delays = (Delay(1), Delay(1000), Delay(1000, "each"), Delay(1000, "refits"))
    regrets = np.stack([regrets_of(Repetition(0, number, STEPS, delays)) for number in range(8)])  # (8, 4, 2)

    def is_above(larger: F64, smaller: F64) -> bool:
        return bool(stats.ttest_rel(larger, smaller, alternative="greater").pvalue < 0.01)

    for place in range(len(delays)):
        assert is_above(regrets[:, place, 0], regrets[:, place, 1])
    for policy in range(2):
        assert all(is_above(regrets[:, place, policy], regrets[:, 0, policy]) for place in (1, 2, 3))
        assert all(is_above(regrets[:, place, policy], regrets[:, 1, policy]) for place in (2, 3))


def test_without_a_delay_the_readings_are_run_once() -> None:
    found = delays_of((100, 1))
    assert found == (Delay(1), Delay(100), Delay(100, "each"), Delay(100, "refits"))


@pytest.mark.parametrize("steps", [(), (1, 10, 1)])
def test_delays_that_are_none_or_doubled_are_refused(steps: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="expected at least one, and none twice"):
        delays_of(steps)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(InputError, match="there is no policy 'greedy' in this world; choose one of ucb, thompson"):
        simulate("greedy", Delay(1), items(0, 10), np.zeros(10), key=0)
