"""Policies to be compared, by the words of the command line: ours, tables of probabilities, and anybody's own classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bandit.deploying import Floors
from bandit.errors import InputError, user_code_errors
from bandit.evaluation.learning import learn
from bandit.evaluation.targets import LOGGING, LoggingPolicy, PolicyTarget, TableTarget, Target
from bandit.impressions import ImpressionLog
from bandit.policies import POLICIES, Policy, Uniform, parse_policy
from bandit.posterior.registry import WITHOUT_CONTEXT, registered
from batch.logs.cells import names, numbers
from batch.logs.logged import LoggedData
from batch.logs.reading import read_table
from batch.offline.user_classes import find_class, names_a_class

TABLE: Final = "table:"


@dataclass(frozen=True)
class Wanted:
    """A policy that is to be compared: its word, and whether it learns from the first part of the log."""

    word: str
    policy: Policy | None = None
    made: Any = None

    @property
    def learns(self) -> bool:
        """Whether it has to see a part of the log that it is not judged by."""
        return hasattr(self.made, "fit") or (self.policy is not None and not isinstance(self.policy, Uniform))


def parse_policies(text: str) -> list[Wanted]:
    """Policies from their words, with commas between: ``uniform,epsilon_greedy:epsilon=0.1,halving=500,table:p.csv,mine:Policy``.

    Raises:
        InputError: a word is not known, or is there twice.
    """
    words: list[str] = []
    for piece in filter(None, (each.strip() for each in text.split(","))):
        continues = words and "=" in piece and ":" not in piece.partition("=")[0]
        if continues:
            words[-1] += f",{piece}"
        else:
            words.append(piece)
    if not words:
        raise InputError("--policies names none, expected words such as uniform,thompson,linucb")
    if twice := [word for word in words if words.count(word) > 1]:
        raise InputError(f"--policies names {twice[0]} twice; name it once")
    return [_wanted(word) for word in words if word != LOGGING]


def _wanted(word: str) -> Wanted:
    if word.startswith(TABLE):
        return Wanted(word)
    if word.partition(":")[0] in POLICIES or not names_a_class(word):
        try:
            return Wanted(word, parse_policy(word))
        except InputError as error:
            raise InputError(f"{error}; or {LOGGING}, {TABLE}<file>, <module>:<class>") from None
    made = _made(word)
    return Wanted(word, made if isinstance(made, Policy) else None, None if isinstance(made, Policy) else made)


def _made(word: str) -> Any:
    """An object of a class that is named as ``module:Class``, looked for in the current folder too."""
    try:
        found = find_class(word)
    except InputError as error:
        raise InputError(
            f"there is no policy {word!r}: {error}; choose one of {', '.join(POLICIES)}, {LOGGING}, {TABLE}<file>, or"
            " <module>:<class> of a module that Python finds from here"
        ) from error
    with user_code_errors(f"{word} cannot be made without arguments"):
        made = found()
    if not (isinstance(made, Policy) or callable(getattr(made, "probabilities", None))):
        raise InputError(
            f"{word} has no method probabilities(log, title, rows), and is no bandit.policies.Policy; see docs/evaluation.md"
        )
    return made


class _OwnTarget:
    """An object of somebody's class as a target; what it raises is told with its name."""

    def __init__(self, word: str, made: Any) -> None:
        self.name = word
        self._made = made

    def probabilities(self, log: ImpressionLog, title: int, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        with user_code_errors(f"{self.name}.probabilities failed"):
            return np.asarray(self._made.probabilities(log, title, rows), dtype=np.float64)


def targets_of(
    wanted: Sequence[Wanted],
    data: LoggedData,
    learned_from: ImpressionLog | None,
    judged_by: ImpressionLog,
    posterior: str,
    floors: Floors,
) -> list[Target | LoggingPolicy]:
    """The policies ready to be judged, the logging policy before them; what learns has learned from the first part.

    Raises:
        InputError: a posterior is not known, a table does not do, or somebody's own class fails.
    """
    registered(posterior)
    first = judged_by.take(np.empty(0, dtype=np.int64)) if learned_from is None else learned_from
    kept: dict[str, Any] = {}

    def learned(kind: str) -> Any:
        if kind not in kept:
            kept[kind] = learn(first, kind, data.features)
        return kept[kind]

    targets: list[Target | LoggingPolicy] = [LoggingPolicy()]
    for each in wanted:
        if each.policy is not None:
            kind = posterior if each.policy.contextual else WITHOUT_CONTEXT
            target = PolicyTarget(each.policy, learned(kind), floors, each.word)
            targets.append(_OwnTarget(each.word, target) if names_a_class(each.word) else target)
        elif each.made is not None:
            targets.append(_OwnTarget(each.word, _fitted(each, first)))
        else:
            targets.append(TableTarget(each.word, _read_table(Path(each.word.removeprefix(TABLE)), data), judged_by))
    return targets


def _fitted(wanted: Wanted, log: ImpressionLog) -> Any:
    if wanted.learns:
        with user_code_errors(f"{wanted.word}.fit failed"):
            wanted.made.fit(log)
    return wanted.made


def _read_table(path: Path, data: LoggedData) -> npt.NDArray[np.float64]:
    """Probabilities by arm, (A,), from a file with the columns arm (its name) and probability, as a log is read.

    Raises:
        InputError: a column or an arm is missing, or an arm is not of the log.
    """
    table = read_table(path)
    if missing := [name for name in ("arm", "probability") if name not in table.frame.columns]:
        raise InputError(f"{path} lacks the column {missing[0]}; it has {', '.join(table.frame.columns)}")
    if table.frame.is_empty():
        raise InputError(f"{path} has no rows; expected an arm and its probability in each")
    arms, shares = names(table, "arm"), numbers(table, "probability")
    if (bad := ~np.isfinite(shares)).any():
        row = int(bad.argmax())
        raise InputError(
            f"{path}: row {row} has the arm {arms[row]!r} with the probability {table.frame['probability'][row]!r}, expected a"
            " name and a number"
        )
    if (again := arms.is_duplicated()).any():
        raise InputError(f"{path} has the arm {arms.filter(again)[0]!r} twice; give each arm one row")
    if strange := sorted(set(arms.to_list()) - set(data.arm_names)):
        known = ", ".join(data.arm_names[:5])
        raise InputError(f"{path} has the arm {strange[0]!r}, which the log does not have; its arms are {known}, ...")
    probabilities = dict(zip(arms, shares.tolist(), strict=True))
    return np.array([probabilities.get(name, 0.0) for name in data.arm_names])
