"""What every posterior keeps, whatever its model."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bandit.errors import InputError
from bandit.posterior import BetaPosterior, LinearPosterior, LogisticPosterior, SharedPosterior
from bandit.posterior.base import Posterior

F64 = npt.NDArray[np.float64]
Log = tuple[Any, Any, Any]

ARMS, FEATURES, SEGMENTS = 5, 3, 4
TITLES = np.array([0, 0, 0, 1, 1])
ARTWORKS = np.random.default_rng(8).normal(size=(ARMS, 2))

POSTERIORS: dict[str, Callable[[], Posterior[Any]]] = {
    "beta": lambda: BetaPosterior(TITLES, 30.0, 40.0, pessimism=0.7),
    "beta with segments": lambda: BetaPosterior(TITLES, 30.0, 40.0, 50.0, SEGMENTS),
    "linear": lambda: LinearPosterior(ARMS, FEATURES, [1.0, 2.0, 3.0], 20.0, 0.1),
    "logistic": lambda: LogisticPosterior(ARMS, FEATURES, [1.0, 2.0, 3.0], 0.1),
    "shared": lambda: SharedPosterior(ARTWORKS, FEATURES, 2.0, 30.0, 20.0, 0.1, n_draws=16, seed=3),
}
every_posterior = pytest.mark.parametrize("kind", POSTERIORS)


def contexts_of(kind: str, random: np.random.Generator, count: int) -> Any:
    if kind == "beta":
        return None
    return random.integers(0, SEGMENTS, count) if "segments" in kind else random.normal(size=(count, FEATURES))


def random_log(kind: str, count: int = 300, seed: int = 1) -> Log:
    """Impressions of every arm but the last."""
    random = np.random.default_rng(seed)
    return contexts_of(kind, random, count), random.integers(0, ARMS - 1, count), random.random(count)


def part(log: Log, rows: slice) -> Log:
    contexts, arms, rewards = log
    return (None if contexts is None else contexts[rows]), arms[rows], rewards[rows]


def observed(kind: str, *logs: Log) -> Posterior[Any]:
    made = POSTERIORS[kind]()
    for log in logs:
        made.observe(*log)
    return made


def assert_same(kind: str, one: Posterior[Any], other: Posterior[Any], rtol: float = 1e-10) -> None:
    """Both score arms alike, in means and deviations."""
    contexts = contexts_of(kind, np.random.default_rng(5), 20)
    found, wanted = one.scores(contexts, np.arange(ARMS)), other.scores(contexts, np.arange(ARMS))
    np.testing.assert_allclose(found.expected, wanted.expected, rtol=rtol, atol=1e-10)
    np.testing.assert_allclose(found.deviations, wanted.deviations, rtol=rtol, atol=1e-10)


def kept(made: Posterior[Any], path: Path) -> dict[str, bytes]:
    """Everything that a posterior would write."""
    made.save(path)
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name].tobytes() for name in file.files}


@every_posterior
def test_the_name_is_the_word_on_the_command_line(kind: str) -> None:
    assert POSTERIORS[kind]().name == kind.split(maxsplit=1)[0]


@every_posterior
def test_impressions_move_the_scores(kind: str) -> None:
    contexts = contexts_of(kind, np.random.default_rng(5), 20)
    before, after = POSTERIORS[kind](), observed(kind, random_log(kind))
    assert not np.allclose(before.scores(contexts, [0]).expected, after.scores(contexts, [0]).expected, rtol=1e-3)


@every_posterior
def test_observing_in_two_halves_equals_once(kind: str) -> None:
    log = random_log(kind)
    assert_same(kind, observed(kind, part(log, slice(0, 110)), part(log, slice(110, None))), observed(kind, log))


@every_posterior
def test_observing_nothing_changes_nothing(kind: str) -> None:
    log = random_log(kind)
    assert_same(kind, observed(kind, log, part(log, slice(0, 0))), observed(kind, log), rtol=1e-14)


@every_posterior
@pytest.mark.parametrize("form", ["posterior", "evidence"])
def test_merging_equals_one_pass(kind: str, form: str) -> None:
    one, other = observed(kind, random_log(kind, seed=1)), observed(kind, random_log(kind, seed=2))
    one.merge(other if form == "posterior" else other.evidence)
    assert_same(kind, one, observed(kind, random_log(kind, seed=1), random_log(kind, seed=2)))


@every_posterior
def test_merging_leaves_the_other_as_it_was(kind: str, tmp_path: Path) -> None:
    one, other = observed(kind, random_log(kind, seed=1)), observed(kind, random_log(kind, seed=2))
    before = kept(other, tmp_path / "before.npz")
    one.merge(other)
    one.forget(0.5)
    one.observe(*random_log(kind, seed=3))
    assert kept(other, tmp_path / "after.npz") == before


@every_posterior
def test_scores_are_fresh_after_each_change(kind: str) -> None:
    made, log = POSTERIORS[kind](), random_log(kind)
    made.scores(contexts_of(kind, np.random.default_rng(5), 20), [0])
    made.observe(*log)
    assert_same(kind, made, observed(kind, log))
    made.merge(observed(kind, log))
    assert_same(kind, made, observed(kind, log, log))
    made.forget(0.5)
    assert_same(kind, made, observed(kind, log), rtol=1e-8)


@every_posterior
def test_forgetting_half_of_twice_the_impressions_leaves_them_once(kind: str) -> None:
    made, log = POSTERIORS[kind](), random_log(kind)
    made.observe(*log)
    made.observe(*log)
    made.forget(0.5)
    assert_same(kind, made, observed(kind, log), rtol=1e-8)


@every_posterior
def test_forgetting_never_touches_the_prior(kind: str) -> None:
    made = observed(kind, random_log(kind))
    for _ in range(100):
        made.forget(0.5)
    assert_same(kind, made, POSTERIORS[kind](), rtol=1e-9)


@every_posterior
def test_forgetting_nothing_changes_nothing(kind: str, tmp_path: Path) -> None:
    made = observed(kind, random_log(kind))
    before = kept(made, tmp_path / "before.npz")
    made.forget(1)
    assert kept(made, tmp_path / "after.npz") == before


@every_posterior
def test_a_posterior_comes_back_from_its_file_and_goes_on_learning(kind: str, tmp_path: Path) -> None:
    made = observed(kind, random_log(kind))
    before = kept(made, tmp_path / "made.npz")
    found = type(made).load(tmp_path / "made.npz")
    assert kept(found, tmp_path / "found.npz") == before
    for one in (made, found):
        one.forget(0.9)
        one.observe(*random_log(kind, seed=2))
    assert kept(found, tmp_path / "found.npz") == kept(made, tmp_path / "made.npz")
    assert_same(kind, found, made, rtol=1e-14)


@every_posterior
def test_a_file_that_lacks_an_array_is_refused_with_its_path(kind: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", something=np.ones(3))
    with pytest.raises(InputError, match=r"other\.npz lacks an array"):
        type(POSTERIORS[kind]()).load(tmp_path / "other.npz")


@every_posterior
def test_a_scorer_gives_the_scores_of_its_arms_for_every_block(kind: str) -> None:
    made = observed(kind, random_log(kind))
    scorer = made.scorer([4, 0, 2])
    every = made.scores(contexts_of(kind, np.random.default_rng(5), 20), [4, 0, 2])
    assert every.shape[1] == 3
    for rows in (slice(0, 7), slice(7, 20)):
        contexts = contexts_of(kind, np.random.default_rng(5), 20)
        some: Any = None if contexts is None else contexts[rows]
        block = scorer.scores(some)
        wanted = every.expected if contexts is None else every.expected[rows]
        np.testing.assert_allclose(block.expected, wanted, rtol=1e-12, atol=1e-14)


@every_posterior
def test_a_scorer_stays_as_it_was_when_the_posterior_learns(kind: str) -> None:
    made = observed(kind, random_log(kind))
    contexts = contexts_of(kind, np.random.default_rng(5), 20)
    scorer = made.scorer(np.arange(ARMS))
    before = scorer.scores(contexts).expected.copy()
    made.observe(*random_log(kind, seed=2))
    made.forget(0.5)
    assert (scorer.scores(contexts).expected == before).all()


def at(values: Any, row: int, wrong: float) -> Any:
    """The same values with one row replaced."""
    changed = np.array(values)
    changed[row] = wrong
    return changed


WRONG: dict[str, tuple[Callable[[Log], Log], str]] = {
    "arm too large": (lambda log: (log[0], at(log[1], 7, ARMS), log[2]), "row 7 has the arm 5, expected 0 to 4"),
    "arm below 0": (lambda log: (log[0], at(log[1], 7, -1), log[2]), "row 7 has the arm -1, expected 0 to 4"),
    "arms as floats": (
        lambda log: (log[0], log[1] + 0.5, log[2]),
        "expected a whole number",
    ),
    "arms in a matrix": (lambda log: (log[0], log[1][None], log[2]), "arms are (1, 300) int64"),
    "reward too large": (lambda log: (log[0], log[1], at(log[2], 9, 1e51)), "row 9 has the reward 1e+51, expected"),
    "reward infinite": (lambda log: (log[0], log[1], at(log[2], 9, -np.inf)), "row 9 has the reward -inf, expected"),
    "reward not a number": (lambda log: (log[0], log[1], at(log[2], 9, np.nan)), "row 9 has the reward nan"),
    "a reward too few": (lambda log: (log[0], log[1], log[2][1:]), "rewards have the shape (299,), expected (300,)"),
}
WRONG |= {
    "rewards as text": (
        lambda log: (log[0], log[1], ["x"] * 300),
        "row 0 of the rewards is 'x' (str), expected real numbers",
    ),
    "rewards of None": (lambda log: (log[0], log[1], [None] * 300), "row 0 of the rewards is missing (None)"),
    "ragged rewards": (lambda log: (log[0], log[1], [[1.0], [1.0, 0.0]]), "rewards makes no array"),
    "complex rewards": (lambda log: (log[0], log[1], log[2] + 1j), "rewards is an array of complex128"),
    "ragged arms": (lambda log: (log[0], [[0], [0, 1]], log[2]), "arms makes no array"),
}
WRONG_CONTEXTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "too long": (lambda x: np.column_stack([x, x]), "contexts have the shape (300, 6), expected (n, 3)"),
    "flat": (lambda x: x[:, 0], "contexts have the shape (300,), expected (n, 3)"),
    "not a number": (lambda x: at(x, 4, np.nan), "row 4 of the contexts"),
    "infinite": (lambda x: at(x, 4, -np.inf), "row 4 of the contexts"),
    "text": (lambda x: np.full(x.shape, "a"), "contexts is an array of <U1, expected real numbers"),
    "complex": (lambda x: x + 1j, "contexts is an array of complex128, expected real numbers"),
    "ragged": (lambda _: [[1.0], [1.0, 2.0]], "contexts makes no array"),
    "too large to square": (lambda x: at(x, 4, 1e101), "feature 0 is 1e+101, expected at most 1e+100"),
    "one too few": (lambda x: x[1:], "there are 299 contexts and 300 arms"),
}
OF_ANY_REWARD = ("linear", "shared")
with_features = pytest.mark.parametrize("kind", [kind for kind in POSTERIORS if not kind.startswith("beta")])


def assert_refused(kind: str, wrong: Log, said: str, tmp_path: Path) -> None:
    made = observed(kind, random_log(kind))
    before = kept(made, tmp_path / "before.npz")
    with pytest.raises(InputError, match=re.escape(said)):
        made.observe(*wrong)
    assert kept(made, tmp_path / "after.npz") == before


@every_posterior
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_arms_and_rewards_are_refused_and_change_nothing(kind: str, wrong: str, tmp_path: Path) -> None:
    spoil, said = WRONG[wrong]
    assert_refused(kind, spoil(random_log(kind, seed=2)), said, tmp_path)


@pytest.mark.parametrize("reward", [1.5, -0.1])
@pytest.mark.parametrize("kind", [kind for kind in POSTERIORS if kind not in OF_ANY_REWARD])
def test_what_counts_takes_says_what_learns_from_other_rewards(kind: str, reward: float, tmp_path: Path) -> None:
    contexts, arms, rewards = random_log(kind, seed=2)
    said = f"row 9 has the reward {reward}, expected 0 to 1; scale rewards before learning, or take the linear or the shared"
    assert_refused(kind, (contexts, arms, at(rewards, 9, reward)), said, tmp_path)


@pytest.mark.parametrize("kind", OF_ANY_REWARD)
def test_money_and_minutes_are_learned_as_they_are(kind: str) -> None:
    contexts, arms, rewards = random_log(kind)
    nothing, one, many = (
        observed(kind, (contexts, arms, scale * rewards)).scores(contexts, [0, 1]).expected for scale in (0, 1, -100)
    )
    np.testing.assert_allclose(many - nothing, -100 * (one - nothing), rtol=1e-9, atol=1e-9)


@with_features
@pytest.mark.parametrize("wrong", WRONG_CONTEXTS)
def test_wrong_contexts_are_refused_and_change_nothing(kind: str, wrong: str, tmp_path: Path) -> None:
    spoil, said = WRONG_CONTEXTS[wrong]
    contexts, arms, rewards = random_log(kind, seed=2)
    assert_refused(kind, (spoil(contexts), arms, rewards), said, tmp_path)


@with_features
@pytest.mark.parametrize("wrong", [wrong for wrong in WRONG_CONTEXTS if wrong != "one too few"])
def test_wrong_contexts_are_not_scored(kind: str, wrong: str) -> None:
    spoil, said = WRONG_CONTEXTS[wrong]
    with pytest.raises(InputError, match=re.escape(said)):
        observed(kind, random_log(kind)).scores(spoil(random_log(kind)[0]), [0])


@every_posterior
def test_an_unknown_arm_is_not_scored(kind: str) -> None:
    with pytest.raises(InputError, match="row 1 has the arm 5, expected 0 to 4"):
        POSTERIORS[kind]().scorer([0, 5])


@every_posterior
def test_no_arms_at_all_are_not_scored(kind: str) -> None:
    with pytest.raises(InputError, match="there are no arms to score; pass at least one"):
        POSTERIORS[kind]().scorer([])


@every_posterior
def test_a_retention_that_is_no_number_is_refused(kind: str) -> None:
    with pytest.raises(InputError, match="retention is 'x', expected above 0"):
        POSTERIORS[kind]().forget("x")  # type: ignore[arg-type]


@every_posterior
def test_a_change_of_the_evidence_itself_moves_the_scores(kind: str) -> None:
    made, log = POSTERIORS[kind](), random_log(kind)
    made.scores(contexts_of(kind, np.random.default_rng(5), 20), [0])
    made.evidence.observe(*log)
    assert_same(kind, made, observed(kind, log))
    made.evidence.merge(observed(kind, log).evidence)
    assert_same(kind, made, observed(kind, log, log))
    made.evidence.forget(0.5)
    assert_same(kind, made, observed(kind, log), rtol=1e-8)


@every_posterior
def test_evidence_that_is_replaced_moves_the_scores(kind: str) -> None:
    made, log = observed(kind, random_log(kind, seed=2)), random_log(kind)
    made.scores(contexts_of(kind, np.random.default_rng(5), 20), [0])
    made.evidence = observed(kind, log).evidence
    assert_same(kind, made, observed(kind, log))


@every_posterior
@pytest.mark.parametrize("retention", [0.0, -0.5, 1.1, float("nan"), float("inf")])
def test_a_retention_that_is_no_share_is_refused_and_changes_nothing(
    kind: str, retention: float, tmp_path: Path
) -> None:
    made = observed(kind, random_log(kind))
    before = kept(made, tmp_path / "before.npz")
    with pytest.raises(InputError, match=f"retention is {retention}, expected above 0 and at most 1"):
        made.forget(retention)
    assert kept(made, tmp_path / "after.npz") == before


OTHERS: dict[str, Callable[[], Posterior[Any]]] = {
    "beta": lambda: BetaPosterior([0, 1]),
    "beta with segments": lambda: BetaPosterior(TITLES, n_segments=2),
    "linear": lambda: LinearPosterior(ARMS, FEATURES + 1),
    "logistic": lambda: LogisticPosterior(ARMS + 1, FEATURES),
    "shared": lambda: SharedPosterior(ARTWORKS[1:], FEATURES),
}


@every_posterior
def test_evidence_of_another_shape_is_not_merged(kind: str, tmp_path: Path) -> None:
    made = observed(kind, random_log(kind))
    before = kept(made, tmp_path / "before.npz")
    with pytest.raises(InputError, match=r"evidence of \(\d, \d\) .* cannot be merged into evidence of \(\d, \d\)"):
        made.merge(OTHERS[kind]())
    assert kept(made, tmp_path / "after.npz") == before


@every_posterior
def test_another_kind_or_nothing_is_not_merged(kind: str, tmp_path: Path) -> None:
    made = observed(kind, random_log(kind))
    before = kept(made, tmp_path / "before.npz")
    for other in (POSTERIORS["linear" if kind == "logistic" else "logistic"](), None, "evidence"):
        with pytest.raises(InputError, match=r"cannot be merged into \w+Evidence; merge posteriors of one kind"):
            made.merge(other)
    assert kept(made, tmp_path / "after.npz") == before
