import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandit.errors import InputError
from bandit.posterior import (
    BetaPosterior,
    LinearPosterior,
    LogisticPosterior,
    SharedPosterior,
)


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
    np.savez(tmp_path / "objects.npz", information=objects, strengths=objects)
    with pytest.raises(InputError, match="allow_pickle=False"):
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


def logistic() -> LogisticPosterior:
    random = np.random.default_rng(3)
    made = LogisticPosterior(4, 3)
    made.observe(random.normal(size=(50, 3)), random.integers(0, 4, 50), random.random(50))
    return made


def shared() -> SharedPosterior:
    random = np.random.default_rng(4)
    made = SharedPosterior(random.normal(size=(4, 2)), 3, n_draws=4)
    made.observe(random.normal(size=(50, 3)), random.integers(0, 4, 50), random.random(50))
    return made


KEPT: dict[str, Callable[[], Any]] = {
    "beta": beta,
    "linear": linear,
    "logistic": logistic,
    "shared": shared,
    "laplace": lambda: logistic().fitted,
    "shared weights": lambda: shared().fitted,
}
every_kind = pytest.mark.parametrize("kind", KEPT)


def damaged(path: Path, how: str) -> None:
    """Spoil a file that was good."""
    good = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "one array":
        with path.open("wb") as file:
            np.save(file, np.ones(3))
    else:
        path.write_bytes({"cut short": good[: len(good) // 2], "empty": b"", "text": b"hello"}[how])


@every_kind
@pytest.mark.parametrize("how", ["cut short", "empty", "text", "missing", "one array"])
def test_a_damaged_file_is_refused_with_its_path(tmp_path: Path, kind: str, how: str) -> None:
    made = KEPT[kind]()
    made.save(tmp_path / "kept.npz")
    damaged(tmp_path / "kept.npz", how)
    said = r"there is no file .*kept\.npz" if how == "missing" else r"kept\.npz cannot be read .*train again"
    with pytest.raises(InputError, match=said):
        type(made).load(tmp_path / "kept.npz")


def test_a_flipped_byte_in_an_array_is_refused(tmp_path: Path) -> None:
    linear().save(tmp_path / "linear.npz")
    content = bytearray((tmp_path / "linear.npz").read_bytes())
    content[300] ^= 0xFF
    (tmp_path / "linear.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"linear\.npz cannot be read"):
        LinearPosterior.load(tmp_path / "linear.npz")


SPOILED: list[tuple[str, dict[str, Any], str]] = [
    ("beta", {"takes": np.ones(4)}, "impressions has the shape (3, 4), expected (4)"),
    ("beta", {"takes": np.full((3, 4), 99.0)}, "99.0 takes in"),
    ("beta", {"strengths": np.ones(3)}, "strengths has the shape (3,), expected (4)"),
    ("linear", {"sums": np.zeros((5, 5))}, "sums has the shape (5, 5), expected (4, 3)"),
    ("linear", {"precision": np.zeros((4, 3))}, "precision has the shape (4, 3), expected (4, 3, 3)"),
    ("linear", {"counts": np.full(4, np.nan)}, "counts has the value nan"),
    ("linear", {"noise_precision": np.ones(2)}, "noise_precision has the shape (2,)"),
    ("linear", {"takes": np.array(["a"] * 4)}, "takes is an array of <U1, expected real numbers"),
    ("logistic", {"arms": np.full(50, 9)}, "row 0 has the arm 9, expected 0 to 3"),
    ("logistic", {"rewards": np.ones(3)}, "rewards have the shape (3,), expected (50,)"),
    ("logistic", {"rewards": np.full(50, 7.0)}, "row 0 has the reward 7.0"),
    ("logistic", {"weights": np.ones(3)}, "weights have the shape (3,), expected (50,)"),
    ("logistic", {"weights": np.full(50, -1.0)}, "row 0 has the weight -1.0, expected a finite number of at least 0"),
    ("logistic", {"contexts": np.ones((50, 40))}, "contexts have the shape (50, 40), expected (n, 3)"),
    ("shared", {"sums": np.zeros((5, 5))}, "sums has the shape (5, 5), expected (4, 3)"),
    ("shared", {"n_draws": np.ones(2)}, "cannot be read"),
    ("laplace", {"precisions": np.ones((4, 3, 2))}, "precisions has the shape (4, 3, 2), expected (4, 3, 3)"),
    ("shared weights", {"pulls": np.ones((4, 4))}, "pulls has the shape (4, 4), expected (4, 3)"),
    ("shared weights", {"variances": np.full(4, -1.0)}, "a variance is -1.0, expected at least 0"),
]


@pytest.mark.parametrize(("kind", "spoiled", "said"), SPOILED)
def test_arrays_that_do_not_belong_together_are_refused_with_the_path(
    tmp_path: Path, kind: str, spoiled: dict[str, Any], said: str
) -> None:
    made, path = KEPT[kind](), tmp_path / "kept.npz"
    made.save(path)
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    np.savez(path, **(arrays | spoiled))
    with pytest.raises(InputError, match=re.escape(f"{path}") + ".*" + re.escape(said)):
        type(made).load(path)
