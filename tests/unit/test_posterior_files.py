from pathlib import Path

import numpy as np
import pytest

from bandit.errors import InputError
from bandit.posterior import BetaPosterior, LinearPosterior


def linear() -> LinearPosterior:
    random = np.random.default_rng(1)
    made = LinearPosterior(4, 3, [1.0, 2.0, 3.0], 7.5, random.normal(size=(4, 3)))
    made.observe(random.normal(size=(50, 3)), random.integers(0, 4, 50), random.random(50))
    return made


def beta() -> BetaPosterior:
    random = np.random.default_rng(2)
    made = BetaPosterior([0, 0, 1, 2], 30.0, 40.0, 50.0, 3, 0.7)
    made.observe(random.integers(0, 3, 50), random.integers(0, 4, 50), random.random(50))
    return made


def test_a_linear_posterior_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    linear().save(tmp_path / "linear.npz")
    found, wanted = LinearPosterior.load(tmp_path / "linear.npz"), linear()
    assert (found.precision == wanted.precision).all()
    assert (found.mean == wanted.mean).all()


def test_a_linear_posterior_goes_on_learning_after_it_comes_back(tmp_path: Path) -> None:
    linear().save(tmp_path / "linear.npz")
    found, wanted = LinearPosterior.load(tmp_path / "linear.npz"), linear()
    for made in (found, wanted):
        made.forget(0.5)
        made.observe(np.ones((1, 3)), [2], [1.0])
    assert (found.evidence.counts == wanted.evidence.counts).all()
    assert (found.evidence.squares == wanted.evidence.squares).all()
    assert (found.mean == wanted.mean).all()


def test_a_beta_posterior_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    beta().save(tmp_path / "beta.npz")
    found, wanted = BetaPosterior.load(tmp_path / "beta.npz"), beta()
    assert (found.rates == wanted.rates).all()
    assert (found.title_impressions == wanted.title_impressions).all()


def test_files_hold_numbers_only(tmp_path: Path) -> None:
    linear().save(tmp_path / "linear.npz")
    beta().save(tmp_path / "beta.npz")
    for name in ("linear.npz", "beta.npz"):
        with np.load(tmp_path / name, allow_pickle=False) as file:
            assert {file[array].dtype.kind for array in file.files} <= {"f", "i"}


@pytest.mark.parametrize("posterior", [LinearPosterior, BetaPosterior])
def test_a_file_with_pickled_objects_is_refused(
    tmp_path: Path, posterior: type[LinearPosterior | BetaPosterior]
) -> None:
    objects = np.array([object()], dtype=object)
    np.savez(tmp_path / "objects.npz", precision=objects, takes=objects)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        posterior.load(tmp_path / "objects.npz")


@pytest.mark.parametrize("posterior", [LinearPosterior, BetaPosterior])
def test_a_file_that_lacks_an_array_is_refused_with_its_path(
    tmp_path: Path, posterior: type[LinearPosterior | BetaPosterior]
) -> None:
    np.savez(tmp_path / "half.npz", precision=np.eye(2)[None], takes=np.ones(2))
    with pytest.raises(InputError, match=r"half\.npz lacks an array .*: train again"):
        posterior.load(tmp_path / "half.npz")


def test_an_explicit_prior_comes_back(tmp_path: Path) -> None:
    BetaPosterior([0, 0], prior_rates=[0.2, 0.3]).save(tmp_path / "beta.npz")
    np.testing.assert_array_equal(BetaPosterior.load(tmp_path / "beta.npz").rates, [0.2, 0.3])
