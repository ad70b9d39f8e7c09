"""Comparing policies on a log: read, cut in time, learn, judge."""

import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from bandit.deploying import Floors
from bandit.errors import InputError, user_code_errors
from bandit.evaluation import (
    Evaluation,
    Gathering,
    Plan,
    Replayed,
    Settings,
    cross_fit,
    evaluate,
    in_time,
    nearest_day,
    plan,
    replay_learning,
    samples_of,
    split_at,
    split_in_time,
)
from bandit.evaluation.reward_models import FOLDS
from bandit.evaluation.splitting import check_split
from bandit.impressions import ImpressionLog
from bandit.posterior.registry import WITHOUT_CONTEXT
from batch.executors import Progress
from batch.logs.columns import Columns, read_columns
from batch.logs.contexts import MISSING, REFUSE
from batch.logs.logged import LoggedData
from batch.logs.one_file import EXPECTED
from batch.logs.open_bandit import NAMES, PREFIX, read_open_bandit
from batch.logs.reading import is_glob
from batch.logs.workspace_log import WORKSPACE, read_workspace
from batch.offline.judged_policies import Wanted, parse_policies, targets_of
from batch.offline.live_pairs import online_pairs
from batch.offline.reward_models import parse_reward_model
from batch.offline.side_by_side import SideBySide, beside
from batch.offline.user_classes import names_a_class
from batch.workspace.workspace import Workspace

USUAL_REWARD: Final = "take"
USUAL_SPLIT: Final = 0.5
DAY_MICROSECONDS: Final = 86_400_000_000
EXPLORE_SHARE: Final = 0.05
MOST_FLOOR: Final = 0.5
_EPOCH: Final = date(1970, 1, 1)
DEFAULT_POLICIES: Final = "uniform,popularity,epsilon_greedy:epsilon=0.1,thompson,linucb"


@dataclass(frozen=True)
class Request:
    """What to compare, on which log, and how.

    ``log`` is ``workspace``, a name of the Open Bandit Dataset, or a file, folder or glob, which ``columns``, ``time_format``
    and ``missing`` say how to read. ``split`` is the share of decisions to learn from, in whole days where the log has
    several, or ``split_at`` the first day that is not learned from; it is used only where a policy learns. ``replay_batch``
    is the batch of learning policies; 0 leaves replay out. ``planned`` asks for the smallest lead that the log can show,
    ``difference`` also for the days of explore data that a given lead needs. ``until`` is the last day of a workspace's log
    that is learned from and judged by; what came of policies live is of all days.
    """

    log: str = WORKSPACE
    workspace: Path = Path("workspace")
    source: Path | None = None
    columns: Columns = field(default_factory=Columns)
    time_format: str | None = None
    missing: str = REFUSE
    cache: Path = Path()
    policies: str = DEFAULT_POLICIES
    posterior: str = "linear"
    reward: str = USUAL_REWARD
    reward_model: str = "linear"
    folds: int = FOLDS
    split: float = USUAL_SPLIT
    split_at: date | None = None
    floors: Floors = field(default_factory=Floors)
    replay_batch: int = 0
    planned: bool = False
    difference: float | None = None
    explore_share: float = EXPLORE_SHARE
    impressions_a_day: float | None = None
    settings: Settings = field(default_factory=Settings)
    until: date | None = None

    def __post_init__(self) -> None:
        """Refuse what is out of range, and what has no effect on this log: it would be taken to have had one.

        Raises:
            InputError: names the option.
        """
        check_split(self.split)
        if self.split_at is not None and self.split != USUAL_SPLIT:
            raise InputError("--split and --split-at both say what is learned from; leave one out")
        for name, share in (("floor", self.floors.floor), ("new floor", self.floors.new_floor)):
            if not 0 <= share <= MOST_FLOOR:
                raise InputError(f"the {name} is {share!r}, expected a share between 0 and {MOST_FLOOR}, as deployed")
        if self.difference is None:
            for flag, is_given in (
                ("--impressions-a-day", self.impressions_a_day is not None),
                ("--explore-share", self.explore_share != EXPLORE_SHARE),
            ):
                if is_given:
                    raise InputError(f"{flag} says how long a lead takes to be found; pass that lead as --difference")
        if self.missing not in MISSING:
            raise InputError(f"--missing is {self.missing!r}, expected {' or '.join(MISSING)}")
        ours, published = self.log == WORKSPACE, self.log.startswith(PREFIX)
        for flag, value, is_used, whose in (
            ("--until", self.until, ours, "the workspace's log"),
            ("--reward", None if self.reward == USUAL_REWARD else self.reward, ours, "the workspace's log"),
            ("--from", self.source, published, "the Open Bandit Dataset"),
            ("--columns", self.columns.text or None, not (ours or published), "a file"),
            ("--time-format", self.time_format, not (ours or published), "a file"),
            ("--missing", None if self.missing == REFUSE else self.missing, not (ours or published), "a file"),
        ):
            if value is not None and not is_used:
                raise InputError(f"{flag} {value} is for {whose}, and --log is {self.log}; leave it out")


@dataclass(frozen=True)
class Compared:
    """What was compared on what, and what came of it; ``learned_from`` impressions are 0 where no policy learns.

    ``split_at`` is the first day that was not learned from, None where the log was not cut between two days. ``online`` has
    the policies that were live side by side in the workspace, beside what the log says of them.
    """

    log: str
    notes: tuple[str, ...]
    impressions: int
    learned_from: int
    judged_by: int
    split_at: str | None
    days: float | None
    posterior: str
    reward_model: str
    floor: float
    new_floor: float
    seed: int
    evaluation: Evaluation
    replayed: list[Replayed]
    plans: list[Plan]
    seconds: float
    online: list[SideBySide] = field(default_factory=list)


def compare(request: Request, report: Progress) -> Compared:
    """Compare policies on a log.

    Raises:
        InputError: the log, a policy, an estimator or a setting is not as it should be.
        SurroundingsError: a log could not be fetched.
    """
    began = time.perf_counter()
    wanted = parse_policies(request.policies)
    others = [each.word for each in wanted if each.policy is None]
    if request.replay_batch and others:
        raise InputError(
            f"--replay is for policies that learn from scores, and --policies has {others[0]}; leave one of both out"
        )
    steps = 5
    report("reading the log", 0, steps)
    data = read_log(request)
    if (request.planned or request.difference is not None) and data.log.propensities is None:
        raise InputError("--plan needs propensities, and the log has none; log them, or leave --plan out")
    report("learning", 1, steps)
    learned_from, judged_by, first_day = _parts(data, request, learning=any(each.learns for each in wanted))
    targets = targets_of(wanted, data, learned_from, judged_by, request.posterior, request.floors)
    report("fitting the reward model", 2, steps)
    model = parse_reward_model(request.reward_model, data.features)
    fitted = None if model is None else cross_fit(model, judged_by, request.folds, request.settings.seed)
    report("scoring the policies", 3, steps)
    settings = request.settings
    of_targets = samples_of(
        judged_by, targets, fitted, population=settings.population, reward_range=settings.reward_range
    )
    samples = dict(zip((target.name for target in targets), of_targets, strict=True))
    report("estimating", 4, steps)
    if settings.least_propensity is None:
        settings = replace(settings, least_propensity=data.least_propensity)
    evaluation = evaluate(samples, settings, judged_by.n_eligible, judged_by.batches, data.arm_names)
    report("estimating", steps, steps)
    gathering = _gathering(request, data)
    plans = [
        plan(name, evaluation, sample, judged_by.n_eligible, gathering, need=settings.thresholds)
        for name, sample in samples.items()
        if (request.planned or gathering) and sample.propensities is not None and name != targets[0].name
    ]
    replayed = [_replayed(each, data, request, report) for each in wanted if request.replay_batch]
    online = _online(request, evaluation)
    return Compared(
        log=data.about,
        notes=data.notes,
        impressions=len(data.log),
        learned_from=0 if learned_from is None else len(learned_from),
        judged_by=len(judged_by),
        split_at=first_day,
        days=data.days,
        posterior=request.posterior,
        reward_model=request.reward_model,
        floor=request.floors.floor,
        new_floor=request.floors.new_floor,
        seed=request.settings.seed,
        evaluation=evaluation,
        replayed=replayed,
        plans=plans,
        seconds=round(time.perf_counter() - began, 2),
        online=online,
    )


def read_log(request: Request) -> LoggedData:
    """The log that a request names.

    Raises:
        InputError: there is no such log, or it is not as it should be.
        SurroundingsError: it could not be fetched.
    """
    if request.log == WORKSPACE:
        return read_workspace(Workspace(request.workspace), request.reward, request.until)
    if request.log.startswith(PREFIX):
        return read_open_bandit(request.log, request.cache, request.source)
    path = Path(request.log)
    if not path.exists() and not path.suffix and not is_glob(request.log):
        raise InputError(
            f"there is no log {request.log!r}; expected {WORKSPACE}, one of {', '.join(NAMES)}, or {EXPECTED}"
        )
    return read_columns(path, request.columns, time_format=request.time_format, missing=request.missing)


def _replayed(wanted: Wanted, data: LoggedData, request: Request, report: Progress) -> Replayed:
    assert wanted.policy is not None  # noqa: S101 - others were refused
    with user_code_errors(f"{wanted.word} failed in --replay") if names_a_class(wanted.word) else nullcontext():
        return replay_learning(
            data.log,
            wanted.policy,
            request.posterior if wanted.policy.contextual else WITHOUT_CONTEXT,
            request.replay_batch,
            features=data.features,
            floors=request.floors,
            level=request.settings.level,
            seed=request.settings.seed,
            report=partial(report, f"replaying {wanted.word}"),
        )


def _online(request: Request, evaluation: Evaluation) -> list[SideBySide]:
    if request.log != WORKSPACE:
        return []
    until = request.until
    pairs = online_pairs(Workspace(request.workspace), request.reward, request.settings)
    return [
        beside(pair, evaluation, before=until is not None and until < date.fromisoformat(pair.first_day))
        for pair in pairs
    ]


def _parts(
    data: LoggedData, request: Request, *, learning: bool
) -> tuple[ImpressionLog | None, ImpressionLog, str | None]:
    """What is learned from, what judges, and the first day of that, if there is one.

    The cut is between two days where there are several, so that it can be named and stays where it is when the log grows.
    """
    log, day = data.log, request.split_at
    if day is not None and not (learning and data.are_dated):
        why = "the log has no dates" if learning else "no policy has to learn"
        raise InputError(f"--split-at {day} has no effect, as {why}; leave it out")
    if not learning:
        return None, in_time(log), None
    if day is not None:
        start = (day - _EPOCH).days * DAY_MICROSECONDS
    else:
        nearest = nearest_day(log, request.split, DAY_MICROSECONDS) if data.are_dated else None
        if nearest is None:
            return *split_in_time(log, request.split), None
        start = nearest
    try:
        return *split_at(log, start), str(_EPOCH + timedelta(microseconds=start))
    except InputError as error:
        raise InputError(f"--split-at {day}: {error}") from None


def _gathering(request: Request, data: LoggedData) -> Gathering | None:
    if request.difference is None:
        return None
    a_day = request.impressions_a_day
    if a_day is None:
        if not data.days:
            raise InputError("the log does not tell how many days it spans; pass --impressions-a-day")
        a_day = len(data.log) / data.days
    return Gathering(request.explore_share, a_day, request.difference)
