"""Which extras of the distribution a command needs, and what of them is not installed.

Nothing but the standard library and our errors is imported here: it is asked before anything else of the command line is loaded.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution, requires
from typing import Final

from bandit.errors import InputError

ROOMS: Final = ("artwork", "bandit", "batch", "loadtest", "service")
DISTRIBUTION: Final = "artwork-bandit"
EVERYTHING: Final = "all"
_NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "demo": (EVERYTHING,),
    "web": (EVERYTHING,),
    "simulate": (EVERYTHING,),
    "bench": (EVERYTHING,),
    "serve": ("service",),
    "store": ("service", "batch"),
    "loadtest": ("loadtest",),
    "doctor": ("service", "batch"),
}
"""The extras with any one of which a command works; those of the job are not listed."""
_JOB: Final = ("batch",)
_ANY: Final = ("batch", "service", "loadtest")
_OF_MODULE: Final = dict.fromkeys(("PIL", "cv2", "onnxruntime"), "images") | {"ray": "ray"}
"""The extra of a module that only some options of a command need."""
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA: Final = re.compile(r"extra == ['\"]([a-z0-9]+)['\"]")


def needs(command: str | None) -> tuple[str, ...]:
    """The extras with any one of which a command works; None stands for the command line itself."""
    return _ANY if command is None else _NEEDS.get(command, _JOB)


def complaint(command: str | None) -> str | None:
    """What a command needs that is not installed, and what to do, on one line; None where it has all it needs."""
    lacking = {extra: missing(extra) for extra in needs(command)}
    if not all(lacking.values()):
        return None
    # The command line by itself works with any extra, and has to name one.
    extra = EVERYTHING if command is None else min(lacking, key=lambda extra: len(lacking[extra]))
    names = missing(extra)
    return _message(command, f"{', '.join(names)}, which {'is' if len(names) == 1 else 'are'}", extra)


def check(command: str | None) -> None:
    """Refuse a command that lacks something.

    Raises:
        InputError: names what it lacks, and the extra that installs it.
    """
    if lacking := complaint(command):
        raise InputError(lacking)


@contextmanager
def explained(command: str | None) -> Iterator[None]:
    """Say which extra to install where a command comes upon a module that is not there after all.

    Raises:
        InputError: instead of a ``ModuleNotFoundError`` for a module of others.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if not module or module in ROOMS:  # a fault of ours, and no extra mends it
            raise
        extra = _OF_MODULE.get(module, EVERYTHING)
        raise InputError(_message(command, f"the module {module}, which is", extra)) from error


def missing(extra: str) -> tuple[str, ...]:
    """The distributions that an extra names and this environment does not have; none where we are not installed ourselves."""
    return tuple(name for name in named_by(extra) if not _is_there(name))


def named_by(extra: str) -> tuple[str, ...]:
    """The distributions that an extra names, those of the extras in it included."""
    try:
        texts = requires(DISTRIBUTION) or []
    except PackageNotFoundError:  # run from its folder
        return ()
    of_extra = [text for text in texts if extra in _EXTRA.findall(text)]
    names: dict[str, None] = {}
    for text in of_extra:
        inner = re.match(rf"{DISTRIBUTION}\[([a-z0-9,]+)\]", text)
        found = [name for part in inner[1].split(",") for name in named_by(part)] if inner else _NAME.findall(text)[:1]
        names |= dict.fromkeys(found)
    return tuple(names)


def _is_there(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _message(command: str | None, what: str, extra: str) -> str:
    words = "artwork" if command is None else f"artwork {command}"
    return f"`{words}` needs {what} not installed; run `pip install '{DISTRIBUTION}[{extra}]'`"
