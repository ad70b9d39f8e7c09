"""The boundary of a command: whatever goes wrong inside is one line on standard error and an exit code.

    0    done                        2    wrong input (``InputError``, a file that is not there)
    1    failed a check or budget    3    the surroundings failed (``SurroundingsError``, the operating system)
    70   a fault of ours: what nobody foresaw, with its place
    128 and the number of a signal   told to end by it, or, with that of SIGPIPE, nobody reads the output any more

A traceback is shown under ``--debug`` or ``ARTWORK_DEBUG=1`` alone, and never a secret. Every ``main`` of this project ends
here, so that each of them behaves alike; nothing but the standard library is imported, so that it stands before all else is.
"""

import codecs
import errno
import io
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn, TextIO, cast

from bandit.errors import InputError, RowError, SurroundingsError
from bandit.urls import EVENTS_URL_VARIABLE, URL_VARIABLE, hide_secrets, secrets_of

EXIT_INPUT: Final = 2
EXIT_SURROUNDINGS: Final = 3
EXIT_FAULT: Final = 70
EXIT_SIGNAL: Final = 128
DEBUG: Final = "--debug"
DEBUG_VARIABLE: Final = "ARTWORK_DEBUG"
KEY_VARIABLES: Final = ("ARTWORK_LOADTEST_KEY",)

_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_ROOT: Final = Path(__file__).resolve().parents[1]
_OURS: Final = ("artwork", "bandit", "batch", "service")
_FRAME: Final = re.compile(r'File "([^"]+)", line (\d+)')
_LONGEST: Final = 1000
"""Characters of a line; messages of others can be whole pages."""

_ERRORS: Final = "artwork-plainly"
_PLAIN: Final = {
    "✓": "ok",
    "±": "+-",
    "→": "->",
    "×": "x",
    "–": "-",
    "…": "...",
    "·": ".",
    "²": "2",
    "≥": ">=",
    "≤": "<=",
}

_NOT_THERE: Final = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
_NAMES: Final = (errno.ENAMETOOLONG, errno.ELOOP)
_MISUSES: Final = (errno.EBADF, errno.EINVAL, errno.EFAULT, errno.ENOTTY)
"""What a system call answers when it was called wrongly: without a file's name that is nobody's fault but ours."""


class _Signals:
    """What the signals of this process did so far."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.at_once = True
        """Whether a signal ends the process where it stands: nothing is open while modules load, and an exception would be
        swallowed there, or turned into another one."""

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """End the process, or raise in what it does, so that it cleans up after itself."""
        self.number = self.number or number
        if self.at_once:
            os._exit(EXIT_SIGNAL + self.number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(EXIT_SIGNAL + self.number)


def run(load: Callable[[], Callable[[], object]]) -> NoReturn:
    """Load a command, run it, and end the process with its exit code.

    Args:
        load: imports what the command needs and returns it. The command takes nothing and returns its exit code, where
            None is 0.
    """
    signals = _Signals()
    _guard_streams()
    _take_signals(signals)
    code = 0
    try:
        command = load()
        signals.at_once = False
        code = _code(command())
        _flush()
    except SystemExit as ended:
        code = _ended(ended)
    except BaseException as error:  # noqa: BLE001 - polars' panics are no Exception, and this is the boundary
        code = _failed(error, signals)
    finally:
        signals.at_once = True  # the interpreter goes down: nothing of ours is left to clean up
    sys.exit(EXIT_SIGNAL + signals.number if signals.number else code)


def write_out(text: str) -> None:
    """Write to standard output at once.

    Raises:
        SystemExit: nobody reads it any more.
        SurroundingsError: it is closed, or its disk is full.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        raise SystemExit(EXIT_SIGNAL + signal.SIGPIPE) from None
    except (OSError, ValueError) as error:
        _discard_output()
        raise SurroundingsError(f"cannot write to standard output: {_why(error)}") from error


def is_debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get(DEBUG_VARIABLE, "").lower() not in ("", "0", "false", "no")


def take_debug(words: Sequence[str]) -> list[str]:
    """The words of a command line without ``--debug``, which may stand anywhere before a ``--`` and holds for children too."""
    end = words.index("--") if "--" in words else len(words)
    if DEBUG in words[:end]:
        os.environ[DEBUG_VARIABLE] = "1"
    return [word for word in words[:end] if word != DEBUG] + list(words[end:])


def one_line(text: str) -> str:
    """Text on one line, of a bearable length, with what a terminal would take for a command made visible."""
    line = " ".join(text.split())
    line = line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


def tell(message: str, *, what: str = "error") -> None:
    """Write one line to standard error, without secrets."""
    line = one_line(hide_secrets(message, _secrets()))
    colour = what == "error" and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    sys.stderr.write(f"\x1b[1;31m{what}:\x1b[0m {line}\n" if colour else f"{what}: {line}\n")
    sys.stderr.flush()


# --- what went wrong --------------------------------------------------------------------------------------------------


def _failed(error: BaseException, signals: _Signals) -> int:
    if signals.number or isinstance(error, KeyboardInterrupt):
        return EXIT_SIGNAL + (signals.number or signal.SIGINT)
    if is_debugging():
        sys.stderr.write(hide_secrets("".join(traceback.format_exception(error)), _secrets()))
    message, code = describe(error)
    with suppress(SystemExit, SurroundingsError):  # what was said before comes first
        _flush()
    tell(message)
    return code


def describe(error: BaseException) -> tuple[str, int]:
    """What to say of an exception, and the exit code."""
    if isinstance(error, InputError):
        return str(error), EXIT_INPUT
    if isinstance(error, SurroundingsError | RowError):
        return str(error), EXIT_SURROUNDINGS
    if isinstance(error, OSError) and not (error.errno in _MISUSES and error.filename is None):
        return _of_system(error)
    if isinstance(error, MemoryError):
        return (
            f"memory does not suffice ({_why(error)}); ask for less, or run it on a larger machine",
            EXIT_SURROUNDINGS,
        )
    if type(error).__module__.partition(".")[0] == "redis":
        return f"the store failed: {_why(error)}; check {URL_VARIABLE}", EXIT_SURROUNDINGS
    name = type(error).__name__
    return (
        f"this is a fault of ours: {name}: {_cut(str(error))} at {place(error)}; please report it, with what {DEBUG} adds",
        EXIT_FAULT,
    )


def _of_system(error: OSError) -> tuple[str, int]:
    if error.filename is None and isinstance(error, FileNotFoundError) and not _has_folder():
        return "the current folder is gone; change to one that is there", EXIT_SURROUNDINGS
    named = isinstance(error.filename, str | bytes | os.PathLike)
    what = f"{os.fsdecode(error.filename)}: {_why(error)}" if named else _why(error)
    wrong = named and (isinstance(error, _NOT_THERE) or error.errno in _NAMES)
    if wrong:
        return f"{what}; name another file or folder", EXIT_INPUT
    return f"{what}; check the disk, the permissions and the network", EXIT_SURROUNDINGS


def _why(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:297] + "..."


def _has_folder() -> bool:
    try:
        return bool(os.getcwd())  # noqa: PTH109 - Path.cwd() asks the same
    except OSError:
        return False


def place(error: BaseException) -> str:
    """File and line of our own code that an exception passed last, in the process where it was raised."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if type(error.__cause__).__name__ == "_RemoteTraceback":  # of a worker process, which hands on text alone
        frames += [(name, int(line)) for name, line in _FRAME.findall(str(error.__cause__))]
    for name, line in reversed(frames):
        inside = Path(name).is_relative_to(_ROOT) and Path(name).relative_to(_ROOT)
        if inside and inside.parts[0] in _OURS:
            return f"{inside}:{line}"
    return "an unknown place"


def _secrets() -> set[str]:
    """What this process was told that no output may hold."""
    words = sys.argv
    given = {words[at + 1] for at, word in enumerate(words[:-1]) if word == "--key"}
    given |= {word.partition("=")[2] for word in words if word.startswith("--key=")}
    given |= {os.environ.get(name, "") for name in KEY_VARIABLES}
    return given.union(
        secrets_of(os.environ.get(URL_VARIABLE, "")),
        secrets_of(os.environ.get(EVENTS_URL_VARIABLE, "")),
        *(secrets_of(word) for word in words if "@" in word),
    )


# --- streams and signals ----------------------------------------------------------------------------------------------


class _Closed(io.TextIOBase):
    """Standard output that was closed before the start: what is written to it is lost, which is not for a result to be."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Refuse.

        Raises:
            SurroundingsError: there is something to write.
        """
        if text:
            raise SurroundingsError("cannot write to standard output: it is closed")
        return 0

    def fileno(self) -> int:
        """Its descriptor, which leads nowhere by now."""
        return 1


class _Forgiving:
    """Standard error that never fails: what nobody can read is no reason to end, and the exit code tells the rest."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failed = False
        """Whether something was lost."""

    def write(self, text: str) -> int:
        """Write if possible."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self.failed = True
        return len(text)

    def flush(self) -> None:
        """Everything is flushed as it is written."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """What stands for letters that an encoding lacks: what they look like, else their number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    numbers = (letter.encode("ascii", "backslashreplace").decode() for letter in letters)
    return "".join(_PLAIN.get(letter, number) for letter, number in zip(letters, numbers, strict=True)), error.end


def _guard_streams() -> None:
    """Output fails on no letter that its encoding lacks; a closed stream stays closed to us and to no file opened later."""
    codecs.register_error(_ERRORS, _plainly)
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest number that is free: this one
    # Typed as never None, which they are where the descriptor was closed.
    given: tuple[TextIO | None, TextIO | None] = (sys.stdout, sys.stderr)
    out, err = given
    sys.stdout = out or cast("TextIO", _Closed())
    err = err or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, err):
        if hasattr(stream, "reconfigure"):
            with suppress(OSError, ValueError):
                stream.reconfigure(errors=_ERRORS)
    if not isinstance(err, _Forgiving):
        sys.stderr = cast("TextIO", _Forgiving(err))
    warnings.showwarning = _show_warning


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """A warning as one line."""
    tell(str(message), what="note" if issubclass(category, UserWarning) else category.__name__)


def _take_signals(signals: _Signals) -> None:
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        with suppress(ValueError):  # outside the main thread
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                signal.signal(number, signals.handle)


def _code(value: object) -> int:
    return value if isinstance(value, int) else 0


def _ended(ended: SystemExit) -> int:
    """The code of ``sys.exit``, once what was written before has gone out."""
    if isinstance(ended.__context__, BrokenPipeError):
        return EXIT_SIGNAL + signal.SIGPIPE
    if isinstance(ended.code, str):
        tell(ended.code)
        return 1
    try:
        _flush()
    except SystemExit as again:
        return _code(again.code)
    except SurroundingsError as error:
        tell(str(error))
        return EXIT_SURROUNDINGS
    return _code(ended.code)


def _flush() -> None:
    write_out("")


def _discard_output() -> None:
    """Let what is left go nowhere, or the interpreter would complain when it flushes at its end."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
