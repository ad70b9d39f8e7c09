"""Bearer keys: the file, the check, and the command that makes them."""

import subprocess
import sys
from pathlib import Path

import pytest

from bandit.errors import InputError
from service.keys import EVENTS, LOOKUP, Keys, Scope, entry_text, load_keys, new_key
from service.settings import load_settings

WEB, WEB_ENTRY = new_key("web", [LOOKUP])
PLAYER, PLAYER_ENTRY = new_key("player", [EVENTS])
BOTH, BOTH_ENTRY = new_key("both", [LOOKUP, EVENTS])
KEYS = Keys([WEB_ENTRY, PLAYER_ENTRY, BOTH_ENTRY])


def bearer(key: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"service"), (b"authorization", b"Bearer " + key.encode())]


@pytest.mark.parametrize(
    ("key", "scope", "status"),
    [
        (WEB, LOOKUP, 0),
        (WEB, EVENTS, 403),
        (PLAYER, LOOKUP, 403),
        (PLAYER, EVENTS, 0),
        (BOTH, LOOKUP, 0),
        (BOTH, EVENTS, 0),
        (WEB[:-1], LOOKUP, 401),
        (WEB + "A", LOOKUP, 401),
        ("", LOOKUP, 401),
        (WEB_ENTRY.sha256, LOOKUP, 401),
    ],
    ids=range(10),  # keys are drawn: as ids they would differ from process to process
)
def test_a_key_may_do_what_its_scopes_say_and_an_unknown_one_nothing(key: str, scope: Scope, status: int) -> None:
    assert KEYS.check(bearer(key), scope) == status


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Basic " + WEB.encode())],
        [(b"authorization", WEB.encode())],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer \xff\xfe")],
        [(b"x-authorization", b"Bearer " + WEB.encode())],
        bearer(WEB) * 2,
    ],
)
def test_anything_but_one_bearer_key_is_401(headers: list[tuple[bytes, bytes]]) -> None:
    assert KEYS.check(headers, LOOKUP) == 401


def test_the_scheme_is_written_in_any_case() -> None:
    assert KEYS.check([(b"authorization", b"bEARER  " + WEB.encode())], LOOKUP) == 0


def test_a_key_is_256_random_bits_and_its_entry_does_not_hold_it() -> None:
    assert len(WEB) == 43
    assert new_key("web", [LOOKUP])[0] != WEB
    assert WEB not in entry_text(WEB_ENTRY)


def test_entries_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(entry_text(WEB_ENTRY) + entry_text(PLAYER_ENTRY))
    keys = load_keys(path)
    assert [keys.check(bearer(key), LOOKUP) for key in (WEB, PLAYER, BOTH)] == [0, 403, 401]


def test_the_command_tells_the_key_on_standard_output_and_its_entry_on_standard_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "service.keys", "tv", "--scope", "lookup", "--scope", "events"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    path = tmp_path / "keys.toml"
    path.write_text(done.stderr)
    keys, key = load_keys(path), done.stdout.strip()
    assert [keys.check(bearer(key), scope) for scope in (LOOKUP, EVENTS)] == [0, 0]
    assert key not in done.stderr


@pytest.mark.parametrize("wrong", [["a b", "--scope", "lookup"], ["web", "--scope", "all"], ["web"]])
def test_the_command_refuses_a_wrong_name_or_scope_with_exit_2(wrong: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "service.keys", *wrong], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")


GOOD = entry_text(WEB_ENTRY)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", r"key: Field required"),
        ("key = []", r"key: List should have at least 1 item"),
        ("[[key]", "is not TOML"),
        (GOOD.replace("web", "w b"), r"\[\[key\]\] number 1: name"),
        (GOOD + '[[key]]\nname = "tv"\nscopes = ["lookup"]', r"\[\[key\]\] number 2: sha256: Field required"),
        (GOOD.replace("lookup", "all"), r"\[\[key\]\] number 1: scopes: 0: Input should be 'lookup' or 'events'"),
        (GOOD.replace('["lookup"]', "[]"), r"\[\[key\]\] number 1: scopes"),
        (GOOD.replace(WEB_ENTRY.sha256, WEB), r"\[\[key\]\] number 1: sha256"),
        (GOOD + 'scope = "lookup"', r"\[\[key\]\] number 1: scope: Extra inputs"),
        (GOOD + GOOD, r"\[\[key\]\] number 2: name is that of number 1"),
        (GOOD + GOOD.replace("web", "tv"), r"\[\[key\]\] number 2: sha256 is that of number 1"),
    ],
    ids=range(11),
)
def test_a_wrong_file_is_refused_by_entry_and_field_and_shows_no_value(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"keys.toml.*{named}") as refusal:
        load_keys(path)
    assert WEB not in str(refusal.value)


def test_a_file_that_is_not_there_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ARTWORK_KEYS_FILE is .*none.toml"):
        load_keys(tmp_path / "none.toml")


def test_a_wrong_file_ends_a_start_before_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(GOOD.replace("lookup", "all"))
    with pytest.raises(InputError, match=r"ARTWORK_KEYS_FILE is .*\[\[key\]\] number 1: scopes"):
        load_settings(keys_file=path)
