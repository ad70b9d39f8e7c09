"""``artwork data`` on the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from artwork.commands.data import GROUPLENS_TERMS, Made, app, render_made
from bandit.errors import InputError
from bandit.simulation.world import World
from batch.workspace.tables import check, read_tables
from batch.workspace.workspace import Workspace


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("command", ["movielens", "synthetic", "example", "check"])
def test_the_help_of_every_command_shows_an_example(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example: artwork data {command}" in result.output


def test_example_says_what_it_wrote_and_check_accepts_it(tmp_path: Path) -> None:
    made = run("example", "--workspace", str(tmp_path))
    assert made.exit_code == 0
    for name in ("users.parquet", "titles.parquet", "artworks.parquet", "world.npz", "README.md"):
        assert name in made.output
    checked = run("check", str(tmp_path))
    assert checked.exit_code == 0
    assert "20 users" in checked.output


def test_synthetic_writes_tables_and_the_world_of_the_same_size(tmp_path: Path) -> None:
    result = run("synthetic", "--users", "30", "--titles", "4", "--seed", "9", "-w", str(tmp_path), "--json")
    answer = json.loads(result.output)
    tables, world = read_tables(Workspace(tmp_path)), World.load(Workspace(tmp_path).truth)
    assert (answer["report"]["users"], answer["report"]["titles"]) == (30, 4)
    assert world.tastes.shape[0] == tables.users.height == 30
    assert len(world.artwork_title) == tables.artworks.height == answer["report"]["artworks"]


def test_an_existing_workspace_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    run("example", "-w", str(tmp_path))
    before = (tmp_path / "users.parquet").read_bytes()
    refused = run("synthetic", "--users", "5", "--titles", "3", "-w", str(tmp_path))
    assert isinstance(refused.exception, InputError)
    assert (tmp_path / "users.parquet").read_bytes() == before
    assert run("synthetic", "--users", "5", "--titles", "3", "-w", str(tmp_path), "--overwrite").exit_code == 0
    assert check(Workspace(tmp_path)).users == 5


def test_check_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    result = run("check", str(tmp_path / "nowhere"))
    assert isinstance(result.exception, InputError)
    assert "nowhere is not a folder" in str(result.exception)


def test_movielens_refuses_an_archive_that_is_not_there(tmp_path: Path) -> None:
    result = run("movielens", "--from", str(tmp_path / "ml-100k.zip"), "-w", str(tmp_path / "new"))
    assert isinstance(result.exception, InputError)
    assert not (tmp_path / "new").exists()


def test_the_terms_of_the_data_are_printed_with_what_was_made(tmp_path: Path) -> None:
    run("example", "-w", str(tmp_path))
    text = render_made(Made(check(Workspace(tmp_path)), (), "what is real", GROUPLENS_TERMS))
    for part in ("research", "no redistribution", "Harper", "2015", "History and Context", "5(4):19"):
        assert part in text
