import numpy as np
import numpy.typing as npt
import pytest

from bandit.kernels.moments import TILE, linear_means, single_deviations

F64 = npt.NDArray[np.float64]


def tiled(matrices: F64) -> F64:
    return np.pad(matrices, [(0, 0)] * (matrices.ndim - 2) + [(0, -size % TILE) for size in matrices.shape[-2:]])


def single(contexts: F64, factors: F64) -> tuple[F64, int]:
    """Deviations (n, k) for factors (k, d, d), and how many are lost."""
    out = np.full((len(contexts), len(factors)), 99.0)
    with np.errstate(all="ignore"):  # without numba, Python warns of what overflows
        return out, single_deviations(contexts, tiled(factors).astype(np.float32), out)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 16, 23])
@pytest.mark.parametrize("k", [1, 3, 4, 10])
def test_means_are_the_matrix_product(k: int, d: int) -> None:
    random = np.random.default_rng(10 * k + d)
    contexts, weights = random.normal(size=(20, d)), random.normal(size=(k, d))
    out = np.full((20, k), 99.0)
    linear_means(contexts, tiled(weights), out)
    np.testing.assert_allclose(out, contexts @ weights.T, rtol=0, atol=1e-13)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 16, 23])
@pytest.mark.parametrize("k", [1, 3])
def test_deviations_are_lengths_of_whitened_contexts_to_seven_digits(k: int, d: int) -> None:
    random = np.random.default_rng(10 * k + d)
    contexts, factors = random.normal(size=(20, d)), np.tril(random.normal(size=(k, d, d)))
    found, lost = single(contexts, factors)
    assert lost == 0
    np.testing.assert_allclose(found, np.linalg.norm(np.einsum("kqp,np->nkq", factors, contexts), axis=2), rtol=2e-6)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 40])
def test_a_row_has_the_same_bits_among_any_other_rows(count: int) -> None:
    random = np.random.default_rng(count)
    contexts, factors = random.normal(size=(count, 6)), np.tril(random.normal(size=(3, 6, 6)))
    together, means, weights = single(contexts, factors)[0], np.empty((count, 3)), tiled(factors[:, 0])
    linear_means(contexts, weights, means)
    for row in range(count):
        alone = np.empty((1, 3))
        linear_means(contexts[row : row + 1], weights, alone)
        assert (single(contexts[row : row + 1], factors)[0][0] == together[row]).all()
        assert (alone[0] == means[row]).all()


def test_more_rows_than_a_block_are_all_answered() -> None:
    contexts = np.random.default_rng(1).normal(size=(600, 2))
    found, _ = single(contexts, np.eye(2)[None])
    np.testing.assert_allclose(found[:, 0], np.linalg.norm(contexts, axis=1), rtol=5e-7)


@pytest.mark.parametrize("context", [[3.0, 4.0], [1e-12, 1e-12], [3e12, 1.0]])
def test_a_deviation_in_single_precision_keeps_seven_digits(context: list[float]) -> None:
    found, lost = single(np.array([context]), np.eye(2)[None])
    assert lost == 0
    assert found[0, 0] == pytest.approx(np.hypot(context[0], context[1]), rel=2e-7)


@pytest.mark.parametrize(
    "context", [[0.0, 0.0], [1e-13, 1e-13], [4e12, 1.0], [1e38, 1e38], [1e39, 1.0], [np.inf, 1.0], [np.nan, 1.0]]
)
def test_a_deviation_that_single_precision_may_have_spoilt_is_marked_and_counted(context: list[float]) -> None:
    found, lost = single(np.array([context, [1.0, 0.0]]), np.eye(2)[None])
    assert (lost, found[:, 0].tolist()) == (1, [-1.0, 1.0])


def test_no_rows_are_answered_with_none() -> None:
    found, lost = single(np.empty((0, 2)), np.eye(2)[None])
    assert (found.shape, lost) == ((0, 1), 0)
