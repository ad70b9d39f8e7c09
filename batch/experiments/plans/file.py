"""Plans on disk: ``experiments/<name>.toml`` of a workspace, read through one door and written as people edit it."""

import json
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from bandit.errors import InputError, SurroundingsError
from bandit.files import replace_file
from bandit.snapshot import is_id
from batch.experiments.plans.checks import checked_plan
from batch.experiments.plans.plan import Plan
from batch.workspace.workspace import Workspace

MAX_PLAN_BYTES: Final = 1 << 20


def plan_path(workspace: Workspace, name: str) -> Path:
    """Where the plan of an experiment lies.

    Raises:
        InputError: the name is no id, so that it could be no file.
    """
    if not _is_name(name):
        raise InputError(
            f"{name!r} is no name of an experiment, expected up to 64 letters, digits, dots, dashes, underscores and tildes, no"
            " dot first and no .toml last"
        )
    return workspace.experiments / f"{name}.toml"


def _is_name(name: str) -> bool:
    """Whether a plan can be called that: with .toml last, its folder would have the name of another plan's file."""
    return bool(is_id(name)) and not name.startswith(".") and not name.endswith(".toml")


def record_folder(workspace: Workspace, name: str) -> Path:
    """Where it is kept what was registered, read and decided of an experiment."""
    return plan_path(workspace, name).with_suffix("")


def plan_names(workspace: Workspace) -> list[str]:
    """The experiments of a workspace, in order."""
    return sorted(path.stem for path in workspace.experiments.glob("*.toml") if _is_name(path.stem))


def read_plan(workspace: Workspace, name: str) -> Plan:
    """The plan of an experiment as its file is now.

    Raises:
        InputError: there is none, it is no TOML, or keys are wrong: all are named at once.
        SurroundingsError: it cannot be read.
    """
    path = plan_path(workspace, name)
    try:
        content = path.read_bytes() if path.is_file() else None
    except OSError as error:
        raise SurroundingsError(f"cannot read {path}: {error}; check the disk and the file's permissions") from error
    if content is None:
        have = ", ".join(plan_names(workspace)) or "none"
        raise InputError(f"there is no experiment {path}; there are {have}; `artwork experiment new {name}` makes it")
    if len(content) > MAX_PLAN_BYTES:
        raise InputError(f"{path} has {len(content):,} bytes, expected a plan of at most {MAX_PLAN_BYTES:,}")
    try:
        parsed = tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8: {error}; save it again as UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InputError(f"{path} is not TOML: {error}; write keys as name = value") from error
    return checked_plan(name, parsed, str(path))


def write_new(workspace: Workspace, name: str, content: Mapping[str, Any], comments: Mapping[str, str]) -> Path:
    """Write a plan that is not there yet, after the door of plans has let it through.

    Args:
        workspace: of the experiment.
        name: of the experiment.
        content: keys and values, tables last.
        comments: what stands above a key.

    Raises:
        InputError: it is there already, or its content is wrong.
        SurroundingsError: the disk does not take it.
    """
    path = plan_path(workspace, name)
    if path.exists() or record_folder(workspace, name).exists():
        raise InputError(f"{path} is there already; edit it, or choose another name: a name is never used twice")
    checked_plan(name, content, str(path))
    with replace_file(path) as temporary:
        temporary.write_text(toml(content, comments), encoding="utf-8")
    return path


def toml(content: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """A document of keys, then tables and lists of tables; with comments above some keys.

    >>> print(toml({"a": [1, 2.5], "b": [{"name": "x"}]}, {"a": "two numbers"}), end="")
    # two numbers
    a = [1, 2.5]
    <BLANKLINE>
    [[b]]
    name = "x"
    """
    lines: list[str] = []
    notes = comments or {}
    for key, value in content.items():
        lines += [f"# {line}" for line in notes.get(key, "").splitlines()]
        if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            for table in value:
                lines += ["", f"[[{key}]]", *(f"{name} = {_value(item)}" for name, item in table.items())]
        elif isinstance(value, Mapping):
            lines += ["", f"[{key}]", *(f"{name} = {_value(item)}" for name, item in value.items())]
        else:
            lines.append(f"{key} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
