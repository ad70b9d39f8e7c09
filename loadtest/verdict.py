"""The budgets of a load test and the verdict on its figures."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loadtest.boundary import InputError
from loadtest.figures import Figures, ScenarioFigures

DEFAULT_BUDGETS: Final = Path(__file__).with_name("budgets.toml")

PREFIX: Final = "ARTWORK_LOADTEST_"

FAILED_REQUESTS: Final = "failed requests, share"

SATURATED_CPU_SHARE: Final = 0.9
"""Above this share of one core the client delays its own measurements; locust warns at the same one.

On a machine that others use too, a client can be late without using much: so its lag is watched as well.
"""


class Budgets(BaseModel):
    """Limits of a run; what ``budgets.toml`` says about each holds here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    single_p99_ms: float = Field(gt=0)
    page_p99_ms: float = Field(gt=0)
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
    """The figures of a run, judged."""

    passed: bool
    client_saturated: bool
    rate: float
    checks: tuple[Check, ...]
    figures: Figures

    @property
    def client_is_to_blame(self) -> bool:
        """Whether only times and rates were missed, by a saturated client: then nothing is known of the service."""
        missed = [check.name for check in self.checks if not check.kept]
        return self.client_saturated and bool(missed) and FAILED_REQUESTS not in missed


def read_budgets(path: Path, flags: Mapping[str, float], environment: Mapping[str, str] = os.environ) -> Budgets:
    """Budgets from flags, then ``ARTWORK_LOADTEST_*`` variables, then a file.

    Raises:
        InputError: the file cannot be read, or a limit is missing, unknown or out of range.
    """
    try:
        return Budgets.model_validate(
            tomllib.loads(path.read_text(encoding="utf-8")) | _variables(environment) | dict(flags)
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"budget {'.'.join(map(str, first['loc']))}: {first['msg']}; see {path}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} is not a readable file of budgets: {error}") from error


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    names = {name: f"{PREFIX}{name.upper()}" for name in Budgets.model_fields}
    return {name: environment[variable] for name, variable in names.items() if variable in environment}


def judge(figures: Figures, budgets: Budgets) -> Verdict:
    """Hold figures against budgets. A run without a single request keeps none of them."""
    rate_share = figures.rate / figures.asked_rate
    failure_share = figures.failures / figures.requests if figures.requests else None
    limits = {"single": budgets.single_p99_ms, "page": budgets.page_p99_ms}
    checks = (
        *(_at_most(f"p99 of {asked.name}, ms", asked.p99_ms, limits[asked.name]) for asked in _asked(figures)),
        _at_most(FAILED_REQUESTS, failure_share, budgets.failure_share),
        Check("rate reached, share", rate_share, budgets.min_rate_share, rate_share >= budgets.min_rate_share),
    )
    saturated = figures.client_cpu_share > SATURATED_CPU_SHARE or figures.client_lag_p99_ms > min(limits.values())
    return Verdict(all(check.kept for check in checks), saturated, figures.rate, checks, figures)


def _asked(figures: Figures) -> list[ScenarioFigures]:
    return [scenario for scenario in figures.scenarios if scenario.requests or not figures.requests]


def _at_most(name: str, measured: float | None, limit: float) -> Check:
    return Check(name, measured, limit, measured is not None and measured <= limit)
