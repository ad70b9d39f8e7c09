"""The errors of the load test, and the boundary of its commands: what goes wrong is one line on standard error and an exit code.

The load test stands alone, so both are its own. 70 is a fault of ours with its place, 128 and its number a signal. A traceback
is shown under ``--debug`` or ``ARTWORK_DEBUG=1`` alone.

LoadTestError
├── InputError   a flag, a setting or the targets file is wrong (exit 2)
└── RunError     the service does not answer, or locust did not finish (exit 3)
"""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from loadtest.address import KEY_VARIABLE, hide_secrets

EXIT_INPUT: Final = 2
EXIT_SURROUNDINGS: Final = 3
EXIT_FAULT: Final = 70
EXIT_SIGNAL: Final = 128
DEBUG: Final = "--debug"
DEBUG_VARIABLE: Final = "ARTWORK_DEBUG"
_FOLDER: Final = Path(__file__).resolve().parent
_NOT_THERE: Final = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
_LONGEST: Final = 1000


class LoadTestError(Exception):
    """Root of the load test's errors."""


class InputError(LoadTestError):
    """What the caller handed in is wrong; nothing was started."""


class RunError(LoadTestError):
    """The surroundings failed; trying again may help."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints end at the boundary, on one line."""

    def error(self, message: str) -> NoReturn:
        """Refuse.

        Raises:
            InputError: always.
        """
        raise InputError(f"{message}; `{self.prog} --help` tells what is expected")


class _Signals:
    """Which signal this process was sent; one that comes while modules load ends it where it stands."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.at_once = True

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """End the process, or raise in what it does: ``subprocess`` kills locust when an exception passes through."""
        self.number = self.number or number
        if self.at_once:
            os._exit(EXIT_SIGNAL + self.number)
        raise SystemExit(EXIT_SIGNAL + self.number)


def run(load: Callable[[], Callable[[], int]]) -> NoReturn:
    """Load a command, run it, and end the process with its exit code."""
    signals = _Signals()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signals.handle)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # the interpreter's own
    try:
        command = load()
        signals.at_once = False
        code = command()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException as error:  # noqa: BLE001 - the boundary
        code = _failed(error)
    signals.at_once = True
    sys.exit(EXIT_SIGNAL + signals.number if signals.number else code)


def take_debug(words: Sequence[str]) -> list[str]:
    """The words of a command line without ``--debug``, which holds for the processes that it starts too."""
    if DEBUG in words:
        os.environ[DEBUG_VARIABLE] = "1"
    return [word for word in words if word != DEBUG]


def write_out(text: str) -> None:
    """Write to standard output at once.

    Raises:
        SystemExit: nobody reads it any more.
        RunError: it is closed, or its disk is full.
    """
    if sys.stdout is None:
        raise RunError("cannot write to standard output: it is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        with suppress(OSError):  # what is left goes nowhere, or the interpreter would complain at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise SystemExit(EXIT_SIGNAL + signal.SIGPIPE) from None
        raise RunError(f"cannot write to standard output: {error.strerror}") from error


def _failed(error: BaseException) -> int:
    words = sys.argv
    secrets = [os.environ.get(KEY_VARIABLE, ""), *(words[words.index("--key") + 1 :][:1] if "--key" in words else ())]
    secrets += [word.removeprefix("--key=") for word in words if word.startswith("--key=")]
    if os.environ.get(DEBUG_VARIABLE, "").lower() not in ("", "0", "false", "no"):
        _write_error(hide_secrets("".join(traceback.format_exception(error)), secrets))
    message, code = _described(error)
    line = " ".join(hide_secrets(message, secrets).split())
    line = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)
    _write_error(f"error: {line if len(line) <= _LONGEST else line[: _LONGEST - 3] + '...'}\n")
    return code


def _described(error: BaseException) -> tuple[str, int]:
    if isinstance(error, InputError):
        return str(error), EXIT_INPUT
    if isinstance(error, RunError):
        return str(error), EXIT_SURROUNDINGS
    if isinstance(error, OSError) and error.strerror:
        named = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        code = EXIT_INPUT if named and isinstance(error, _NOT_THERE) else EXIT_SURROUNDINGS
        return f"{named}{error.strerror}; check the disk, the permissions and the network", code
    if isinstance(error, ModuleNotFoundError) and not (error.name or "loadtest").startswith("loadtest"):
        return f"{error.name} is not installed; run `pip install 'artwork-bandit[loadtest]'`", EXIT_INPUT
    if isinstance(error, MemoryError):
        return "memory does not suffice; ask for less, or run it on a larger machine", EXIT_SURROUNDINGS
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _FOLDER in Path(frame.filename).parents]
    place = (
        f"{Path(frames[-1].filename).relative_to(_FOLDER.parent)}:{frames[-1].lineno}" if frames else "an unknown place"
    )
    what = f"this is a fault of ours: {type(error).__name__}: {str(error)[:300]} at {place}"
    return f"{what}; please report it, with what {DEBUG} adds", EXIT_FAULT


def _write_error(text: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()
