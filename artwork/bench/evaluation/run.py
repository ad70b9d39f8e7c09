"""Comparisons timed, each in a process of its own so that its memory is its own, and coverage in as many processes as cores."""

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

import numpy as np

from artwork.bench.evaluation.served_days import Runs, ServedCoverage, coverage_of_days, estimates_of
from artwork.bench.machine import Machine, this_machine
from artwork.bench.targets import MISSED, Judged, Limit
from artwork.bench.timing import Spread
from artwork.compare.tasks import repeat
from bandit.deploying import Floors
from bandit.evaluation import Settings, cross_fit, evaluate, samples_of, split_in_time
from bandit.evaluation.reward_models import PosteriorModel
from bandit.impressions import ImpressionLog
from bandit.simulation.studies import adaptive_coverage, trust
from bandit.simulation.studies.adaptive_coverage import RATES, AdaptiveCoverage, AdaptiveReplicates
from bandit.simulation.studies.coverage import (
    LOGS,
    SHOWINGS,
    UNBIASED,
    Coverage,
    CoverageRow,
    Replicates,
    coverage_of,
    replicate,
)
from bandit.simulation.studies.trust import WORLDS, TrustReplicates, TrustRow
from batch.executors import Progress, open_executor
from batch.logs.logged import LoggedData
from batch.offline.judged_policies import parse_policies, targets_of

POLICIES: Final = "uniform,popularity,epsilon_greedy:epsilon=0.1,thompson,linucb"
RESAMPLES: Final = 1000
DECISIONS: Final = 1000
ADAPTIVE: Final = (10, 1000)
"""Batches, and impressions of each."""
REPLICATES_A_TASK: Final = 100
SERVED_RUNS: Final = 500
"""Days that are served and joined, at most: one takes a sixth of a second."""
RUNS_A_TASK: Final = 25
MOST_ERRORS: Final = 4
"""Standard errors that the mean of an unbiased estimate may be off by."""
LIBRARIES: Final = ["numpy", "scipy", "numba"]

SMALL_SECONDS: Final = Limit(10, 1)
LARGE_SECONDS: Final = Limit(60, 30)
LARGE_GIGABYTES: Final = Limit(3, 2)
_COVERAGE = (0.93, 0.97)
_AT_LEAST = 0.95
MOST_WRONG: Final = 0.05
MOST_WRONG_RANKINGS: Final = 0.06
CONSERVATIVE: Final = "conservative"
"""Of intervals that hold the truth more often than they say."""
_HELD, _MOSTLY = (0.93, 0.98), 0.5
_WARM_IMPRESSIONS = 2000

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class LogSize:
    """Impressions of some titles, arms a title, features of a context; ``showings`` of a decision at most."""

    name: str
    impressions: int
    titles: int
    arms: int
    features: int
    showings: int


SMALL: Final = LogSize("10,000 impressions of 80 arms", 10_000, 1, 80, 30, 1)
LARGE: Final = LogSize("1,000,000 impressions of 200 titles", 1_000_000, 200, 8, 23, 2)


@dataclass(frozen=True)
class Timed:
    """One comparison: five policies, all estimators, 1,000 resamples; seconds without reading the log, and memory at most."""

    log: str
    seconds: Spread
    gigabytes: float


@dataclass(frozen=True)
class EvaluationReport:
    """What was found on a machine; ``passed`` if every target was reached, or missed on the safe side alone."""

    machine: Machine
    timed: list[Timed]
    coverages: list[Coverage]
    adaptive: list[AdaptiveCoverage]
    trust: list[TrustRow]
    served: ServedCoverage | None
    judged: list[Judged]
    passed: bool


def run(replicates: int, repeats: int, progress: Progress) -> EvaluationReport:
    """Time both comparisons, then draw the replicates of every kind of log; 0 replicates leave coverage out.

    Raises:
        SurroundingsError: a worker process died.
    """
    timed: list[Timed] = []
    for done, size in enumerate((SMALL, LARGE)):
        progress("comparisons", done, 2)
        with open_executor("processes", 1) as executor:
            timed.extend(executor.map(partial(_timed, repeats=repeats if size is SMALL else 1), [size]))
    progress("comparisons", 2, 2)
    coverages = cover(replicates, progress) if replicates else []
    learning = cover_adaptive(replicates, progress) if replicates else []
    tried = try_answers(replicates, progress) if replicates else []
    served = serve_days(min(replicates, SERVED_RUNS), progress) if replicates else None
    judged = [
        *_judge_times(timed),
        *(target for coverage in coverages for target in _judge_coverage(coverage)),
        *(target for coverage in learning for target in _judge_adaptive(coverage)),
        *(target for row in tried for target in judge_trust(row)),
        *(_judge_served(served) if served else []),
    ]
    passed = all(target.is_reached for target in judged)
    return EvaluationReport(this_machine(LIBRARIES), timed, coverages, learning, tried, served, judged, passed)


def cover(replicates: int, progress: Progress) -> list[Coverage]:
    """Coverage on every kind of log."""
    kinds = [partial(Replicates, log, DECISIONS, showings) for log in LOGS for showings in SHOWINGS]
    results = _replicated(replicate, kinds, replicates, "coverage", progress)
    return [coverage_of(coverages, tasks) for coverages, tasks in results]


def cover_adaptive(replicates: int, progress: Progress) -> list[AdaptiveCoverage]:
    """Coverage on logs of a policy that learns."""
    kinds = [partial(AdaptiveReplicates, rates, *ADAPTIVE) for rates in RATES]
    results = _replicated(adaptive_coverage.replicate, kinds, replicates, "coverage of adaptive logs", progress)
    return [adaptive_coverage.coverage_of(coverages, tasks) for coverages, tasks in results]


def try_answers(replicates: int, progress: Progress) -> list[TrustRow]:
    """How often answers that nothing warns of are wrong, in every world that tries them."""
    kinds = [partial(TrustReplicates, world.name) for world in WORLDS]
    results = _replicated(trust.replicate, kinds, replicates, "worlds that try answers", progress)
    return [row for (answers, _), world in zip(results, WORLDS, strict=True) for row in trust.trust_of(answers, world)]


def serve_days(runs: int, progress: Progress) -> ServedCoverage:
    """Estimates from what is served, reported and joined."""
    tasks = [Runs(first, min(first + RUNS_A_TASK, runs)) for first in range(0, runs, RUNS_A_TASK)]
    return coverage_of_days(repeat("processes", estimates_of, tasks, progress, "days that are served"))


def _replicated(
    work: Callable[[Task], Result],
    kinds: Sequence[Callable[[int, int], Task]],
    replicates: int,
    what: str,
    progress: Progress,
) -> list[tuple[list[Result], list[Task]]]:
    """The results of some replicates of every kind, in processes, beside the tasks that gave them."""
    firsts = range(0, replicates, REPLICATES_A_TASK)
    tasks = [kind(first, min(first + REPLICATES_A_TASK, replicates)) for kind in kinds for first in firsts]
    results = repeat("processes", work, tasks, progress, what)
    parts = [slice(start, start + len(firsts)) for start in range(0, len(tasks), len(firsts))]
    return [(results[part], tasks[part]) for part in parts]


def draw_log(size: LogSize) -> ImpressionLog:
    """A uniform log in which some arms are better, for some users; decisions in a row are shown up to ``showings`` times."""
    random = np.random.default_rng(5)
    count, n_arms = size.impressions, size.titles * size.arms
    decisions = np.arange(count) // size.showings
    n_decisions = int(decisions[-1]) + 1
    contexts = random.normal(size=(n_decisions, size.features)).astype(np.float32)
    contexts[:, 0] = 1.0
    arms = random.integers(0, n_arms, n_decisions)
    taste = random.normal(scale=0.02, size=(n_arms, size.features))
    expected = np.clip(0.05 + np.einsum("nd,nd->n", contexts, taste[arms]), 0.001, 0.9)[decisions]
    return ImpressionLog(
        contexts=contexts[decisions],
        arms=arms[decisions],
        rewards=(random.random(count) < expected).astype(np.float64),
        propensities=np.full(count, 1 / size.arms),
        n_arms=n_arms,
        starts=None if size.titles == 1 else np.arange(0, n_arms + 1, size.arms),
        clusters=None if size.showings == 1 else decisions,
    )


def _timed(size: LogSize, repeats: int) -> Timed:
    """Seconds of some comparisons; before them a small one that does not count, which loads compiled kernels."""
    _elapsed(draw_log(replace(size, impressions=_WARM_IMPRESSIONS)))
    log = draw_log(size)
    seconds = [_elapsed(log) for _ in range(repeats)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux
    return Timed(size.name, Spread.of(seconds), peak)


def _elapsed(log: ImpressionLog) -> float:
    """Seconds of what ``artwork compare`` does once the log is read."""
    began = time.perf_counter()
    learned_from, judged_by = split_in_time(log, 0.5)
    data = LoggedData(log, "drawn", [str(arm) for arm in range(log.n_arms)])
    targets = targets_of(parse_policies(POLICIES), data, learned_from, judged_by, "linear", Floors())
    model = cross_fit(PosteriorModel("linear"), judged_by)
    samples = dict(zip((each.name for each in targets), samples_of(judged_by, targets, model), strict=True))
    evaluate(samples, Settings(resamples=RESAMPLES), judged_by.n_eligible, judged_by.batches)
    return time.perf_counter() - began


def _judge_times(timed: Sequence[Timed]) -> list[Judged]:
    small, large = timed
    return [
        Judged.of(f"{small.log}, all estimators", small.seconds.median, "s", SMALL_SECONDS),
        Judged.of(f"{large.log}, all estimators", large.seconds.median, "s", LARGE_SECONDS),
        Judged.of(f"{large.log}, memory", large.gigabytes, "GiB", LARGE_GIGABYTES),
    ]


def _judge_coverage(coverage: Coverage) -> list[Judged]:
    """Intervals of unbiased estimators; those of others are shown."""
    where = f"{coverage.log} log, up to {coverage.showings} a decision"
    judged = [target for row in coverage.rows if row.bernstein is not None for target in _judge_row(row, where)]
    for name, held in (("sequence", coverage.sequence), ("sequence of the lead", coverage.lead_sequence)):
        if held is not None:
            judged.append(_at_least(f"ips, {name}, {where}", held))
    return judged


def _judge_row(row: CoverageRow, where: str) -> list[Judged]:
    both = (("hall", row.hall), ("normal", row.normal))
    nominal = [_within(f"{row.estimator}, {kind}, {where}", held) for kind, held in both]
    return [*nominal, _at_least(f"{row.estimator}, bernstein, {where}", row.bernstein or 0.0)]


def _judge_adaptive(coverage: AdaptiveCoverage) -> list[Judged]:
    """Intervals by batches; plain ones are shown beside them."""
    where = f"adaptive log of arms {coverage.rates[0]:g} and {coverage.rates[1]:g}"
    return [
        _within(f"{row.estimator}, batches, {where}", row.covered) for row in coverage.rows if row.interval == "batches"
    ]


def _judge_served(served: ServedCoverage) -> list[Judged]:
    """Intervals hold the truth, within three standard errors of so many runs, and errors are 0 on average.

    That of ``snips`` is biased by 1/m by itself, which is shown.
    """
    judged = []
    for row in served.rows:
        what = f"{row.estimator} of {row.target}, served days"
        low = 0.95 - 3 * (0.95 * 0.05 / served.runs) ** 0.5
        judged.append(Judged(f"{what}: held", row.covered, "", f"≥ {low:.3f}", "0.95", _verdict(row.covered >= low)))
        if row.estimator in UNBIASED:
            off = abs(row.bias) / row.error
            judged.append(
                Judged(f"{what}: mean error", off, "errors", f"≤ {MOST_ERRORS}", "0", _verdict(off <= MOST_ERRORS))
            )
    return judged


def _verdict(is_met: bool) -> str:
    return "met" if is_met else MISSED


def judge_trust(row: TrustRow) -> list[Judged]:
    """Wrong and unflagged is bounded in every world; where most answers are unflagged, intervals hold as often as they say.

    Those that hold it more often are too wide, which misleads nobody: the band is missed, and the run does not fail by it.
    """
    most = MOST_WRONG_RANKINGS if row.what == "ranking" else MOST_WRONG
    what, wrong = f"{row.what}, {row.world}", row.wrong_unflagged
    verdict = "met" if wrong <= most else MISSED
    found = [Judged(f"{what}: wrong and unflagged", wrong, "", f"≤ {most:g}", "≤ 0.03", verdict)]
    if row.what != "ranking" and row.unflagged >= _MOSTLY:
        low, high = _HELD
        verdict = MISSED if not row.held >= low else CONSERVATIVE if row.held > high else "met"
        found.append(Judged(f"{what}: held", row.held, "", f"{low:g} to {high:g}", "0.95", verdict))
    return found


def _within(what: str, held: float) -> Judged:
    low, high = _COVERAGE
    return Judged(what, held, "", f"{low:g} to {high:g}", "0.95", "met" if low <= held <= high else "missed")


def _at_least(what: str, held: float) -> Judged:
    return Judged(what, held, "", f"≥ {_AT_LEAST:g}", f"≥ {_AT_LEAST:g}", "met" if held >= _AT_LEAST else "missed")
