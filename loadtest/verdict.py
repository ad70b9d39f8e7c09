"""The budgets of a load test and the verdict on its figures."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loadtest.boundary import InputError
from loadtest.figures import Figures, ScenarioFigures

DEFAULT_BUDGETS: Final = Path(__file__).with_name("budgets.toml")

PREFIX: Final = "ARTWORK_LOADTEST_"

FAILED_REQUESTS: Final = "failed requests, share"

FEWEST_REQUESTS: Final = 1000
"""Of fewer, ten at the most are above the 99th percentile, and chance moves it at will."""

LAG_SHARE: Final = 0.5
"""A client that is later than this share of a latency budget (99th percentile) measures itself as much as the service."""

SATURATED_CPU_SHARE: Final = 0.9
"""Above this share of one core locust delays its own measurements (it warns at the same one).

It is not asked of the open loop, which measures its own lateness with every request; locust's is a sample.
"""

Outcome = Literal["passed", "failed", "none"]
"""All budgets were kept, one was missed, or nothing can be said."""


class Budgets(BaseModel):
    """Limits of a run; what ``budgets.toml`` says about each holds here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    single_p99_ms: float = Field(gt=0, allow_inf_nan=False)
    page_p99_ms: float = Field(gt=0, allow_inf_nan=False)
    failure_share: float = Field(ge=0, le=1)
    min_rate_share: float = Field(ge=0, le=1)


@dataclass(frozen=True)
class Check:
    """One budget: what was measured (None where nothing was), the limit, and whether it was kept."""

    name: str
    measured: float | None
    limit: float
    kept: bool


@dataclass(frozen=True)
class Verdict:
    """The figures of a run, judged; ``why_none`` says why there is no verdict, and what to do."""

    verdict: Outcome
    why_none: str | None
    passed: bool
    rate: float
    checks: tuple[Check, ...]
    figures: Figures


def read_budgets(path: Path, flags: Mapping[str, float], environment: Mapping[str, str] = os.environ) -> Budgets:
    """Budgets from flags, then ``ARTWORK_LOADTEST_*`` variables, then a file; what it leaves out is as in ``budgets.toml``.

    Raises:
        InputError: the file cannot be read, or a budget is unknown or out of range.
    """
    limits = _read_file(DEFAULT_BUDGETS) | _read_file(path) | _variables(environment) | dict(flags)
    try:
        return Budgets.model_validate(limits)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"budget {'.'.join(map(str, first['loc']))}: {first['msg']}; see {path}") from error


def _read_file(path: Path) -> dict[str, Any]:
    try:
        limits = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} is not a readable file of budgets: {error}") from error
    for name, limit in limits.items():
        if name not in Budgets.model_fields:
            raise InputError(f"{path}: {name[:100]!r} is no budget; budgets are {', '.join(Budgets.model_fields)}")
        if not isinstance(limit, int | float) or isinstance(limit, bool):
            raise InputError(f"{path}: budget {name} is {str(limit)[:100]!r}, expected a number")
    return limits


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    names = {name: f"{PREFIX}{name.upper()}" for name in Budgets.model_fields}
    return {name: environment[variable] for name, variable in names.items() if variable in environment}


def judge(figures: Figures, budgets: Budgets) -> Verdict:
    """Hold figures against budgets. A run without a single request keeps none of them.

    There is no verdict from too few requests, or from those of a client that was late itself. Failed requests are an exception
    where they are already more than ``FEWEST_REQUESTS`` may have: then the service has failed, however few or late they were.
    """
    rate_share = figures.rate / figures.asked_rate
    failure_share = figures.failures / figures.requests if figures.requests else None
    limits = {"single": budgets.single_p99_ms, "page": budgets.page_p99_ms}
    checks = (
        *(_at_most(f"p99 of {asked.name}, ms", asked.p99_ms, limits[asked.name]) for asked in _asked(figures)),
        _at_most(FAILED_REQUESTS, failure_share, budgets.failure_share),
        Check("rate reached, share", rate_share, budgets.min_rate_share, rate_share >= budgets.min_rate_share),
    )
    passed = all(check.kept for check in checks)
    has_failed = figures.failures > budgets.failure_share * max(figures.requests, FEWEST_REQUESTS)
    why_none = None if has_failed else _why_none(figures, min(limits[asked.name] for asked in _asked(figures)))
    verdict: Outcome = "none" if why_none else "passed" if passed else "failed"
    return Verdict(verdict, why_none, verdict == "passed", figures.rate, checks, figures)


def _why_none(figures: Figures, budget_ms: float) -> str | None:
    """Why these figures decide nothing, and what to do about it."""
    reasons = [
        too_few(figures.requests, figures.asked_rate) if figures.requests < FEWEST_REQUESTS else "",
        too_late(figures.client_lag_p99_ms, budget_ms) if figures.client_lag_p99_ms > LAG_SHARE * budget_ms else "",
        _too_busy(figures.client_cpu_share) if _is_too_busy(figures) else "",
    ]
    return "; ".join(filter(None, reasons)) or None


def too_few(requests: int, rate: float) -> str:
    """What a run of too few requests is told."""
    return (
        f"{requests:,} requests are too few to tell a 99th percentile, at least {FEWEST_REQUESTS:,} are needed:"
        f" run it for longer (--duration {enough_seconds(rate)}s at this rate), or ask for more per second (--rate)"
    )


def too_late(lag_ms: float, budget_ms: float) -> str:
    """What a client that was late itself is told."""
    return (
        f"the client itself was {lag_ms:.2f} ms late (p99), more than half of the budget of {budget_ms:g} ms, so the times"
        " are its own as much as the service's: ask for less (--rate), or give the client a core or a machine of its own"
    )


def _is_too_busy(figures: Figures) -> bool:
    return figures.driver == "locust" and figures.client_cpu_share > SATURATED_CPU_SHARE


def _too_busy(share: float) -> str:
    return (
        f"the client used {share:.0%} of a core and delays its own measurements: ask for less (--rate), or use --open-loop,"
        " whose client needs less for a request"
    )


def enough_seconds(rate: float) -> int:
    """How long a run at random times has to be for a verdict: six deviations more than on average, and a second to start."""
    return 1 + ceil((FEWEST_REQUESTS + 6 * sqrt(FEWEST_REQUESTS)) / rate)


def _asked(figures: Figures) -> list[ScenarioFigures]:
    return [scenario for scenario in figures.scenarios if scenario.requests or not figures.requests]


def _at_most(name: str, measured: float | None, limit: float) -> Check:
    return Check(name, measured, limit, measured is not None and measured <= limit)
