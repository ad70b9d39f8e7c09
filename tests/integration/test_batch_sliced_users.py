"""Users that are read by slices of their file: they make the same generation, and nothing wrong is missed."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from make_impressions import log_days, make_generation

from bandit.errors import InputError, SurroundingsError
from batch.choosing.chooser import Chooser
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.workspace.generations import CONTEXTS, folder_of
from batch.workspace.sliced_users import SlicedUsers, slice_users
from batch.workspace.tables import context_matrix, read_tables
from batch.workspace.workspace import Workspace


def change(workspace: Workspace, how: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    how(pl.read_parquet(workspace.users)).write_parquet(workspace.users, row_group_size=100)


def sliced(workspace: Workspace) -> SlicedUsers:
    users = slice_users(workspace)
    assert users is not None
    return users


def test_slices_say_of_users_what_the_whole_table_says(workspace: Workspace) -> None:
    change(workspace, lambda users: users)
    own, tables = sliced(workspace), read_tables(workspace)
    assert (own.n_users, len(own.head["context"][0])) == (tables.users.height, tables.n_features)
    np.testing.assert_array_equal(own.constant, (context_matrix(tables.users) == 1).all(axis=0))
    assert own.constant.any()


def test_users_in_another_order_make_the_same_generation(workspace: Workspace) -> None:
    log_days(workspace, 1, 2000)
    first = make_generation(workspace, "thompson")
    change(workspace, lambda users: users.sample(fraction=1.0, shuffle=True, seed=1))
    assert slice_users(workspace) is None
    second = make_generation(workspace, "thompson")
    contexts = [pl.read_parquet(folder_of(workspace, number) / CONTEXTS) for number in (first, second)]
    assert contexts[0].equals(contexts[1])
    assert contexts[0].schema == contexts[1].schema
    posteriors = [np.load(folder_of(workspace, number) / "posterior" / "linear.npz") for number in (first, second)]
    assert posteriors[0].files == posteriors[1].files
    assert all(np.array_equal(posteriors[0][name], posteriors[1][name]) for name in posteriors[0].files)


def twice(users: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([users[:1], users])


WRONG: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "a user twice": (twice, "expected every user_id once"),
    "an id that is none": (lambda users: users.with_columns(user_id=pl.lit("~") + pl.col("user_id") + " "), "user_id"),
    "a number that is none": (
        lambda users: users.with_columns(context=pl.col("context").list.eval(pl.element() * np.nan)),
        "finite",
    ),
    "no context": (lambda users: users.drop("context"), "no column context"),
    "no users": (lambda users: users[:0], "no rows"),
    "a context that is shorter": (
        lambda users: pl.concat([users[:-1], users[-1:].with_columns(pl.col("context").list.head(3))]),
        "as many numbers as the first row has",
    ),
    "sessions below 0": (lambda users: users.with_columns(sessions=pl.lit(-1)), "sessions"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_users_is_told_as_ever(workspace: Workspace, wrong: str) -> None:
    how, told = WRONG[wrong]
    change(workspace, how)
    assert slice_users(workspace) is None
    with pytest.raises(InputError, match=told):
        make_generation(workspace)


def test_users_whom_shortlists_name_are_read_whole(workspace: Workspace) -> None:
    assert slice_users(workspace) is not None
    pl.DataFrame({"user_id": ["u0001"], "title_ids": [["t0001"]]}).write_parquet(workspace.candidates)
    assert slice_users(workspace) is None


def test_users_that_change_between_check_and_copy_are_not_learned(workspace: Workspace) -> None:
    users = sliced(workspace)
    change(workspace, lambda frame: frame[::-1])
    to = workspace.root / "copy.parquet"
    with pytest.raises(SurroundingsError, match=r"users\.parquet changed while it was read"):
        users.copy(to)
    assert not to.exists()


def test_a_slice_of_a_generations_users_is_that_part_of_all(workspace: Workspace) -> None:
    write(workspace, synthetic.build(n_users=500, n_titles=3, seed=3), overwrite=True)
    number = make_generation(workspace)
    users = Chooser(workspace, number).users
    whole = pl.read_parquet(folder_of(workspace, number) / CONTEXTS)
    for first, count in ((0, 500), (0, 1), (499, 1), (499, 99), (123, 200)):
        assert users.slice(first, count).equals(whole.select("user_id", "context")[first : first + count])
        assert users.ids(first, count).equals(whole["user_id"][first : first + count])
    some = pl.Series("user_id", ["nobody", whole["user_id"][7], whole["user_id"][0], whole["user_id"][7]])
    assert users.places(some).to_list() == [None, 7, 0, 7]
    np.testing.assert_array_equal(users.contexts_at(np.array([7, 0, 7])), context_matrix(whole)[[7, 0, 7]])
    most = whole.sort(["sessions", "user_id"], descending=[True, False])["user_id"][:20].to_list()
    assert users.most_active(20) == most
