"""A plan's power is the share of experiments that show the effect, as they are read: users of one log, split again and again."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from full_size import FULL_SIZE
from scipy.special import ndtr

from bandit.arrays import F64, Bool
from bandit.experiments import Effect, mean_effect, ratio_effect, seen_at, spending_bounds
from bandit.experiments.spending import crossing_power
from batch.experiments.measuring import USER_ID
from batch.experiments.planning import Planned, correlation_with_before, plan_power
from batch.experiments.plans.file import plan_path, read_plan
from batch.experiments.plans.plan import GUARDRAIL, Metric, Plan
from batch.experiments.reading import width_at
from batch.experiments.returning import course_of, linearised, per_user
from batch.workspace.workspace import Workspace

START = date(2026, 3, 2)
SPLITS = 10_000 if FULL_SIZE else 2500
POINTS = 0.03


class Log(NamedTuple):
    """What users did on each day: ``of`` and ``per`` are (users, days), ``before`` is one number per user."""

    of: F64
    per: F64
    before: F64


def visits(random: np.random.Generator, users: int, days: int) -> F64:
    """Users who come back or not: most hardly ever, some every day and often."""
    often = np.minimum(random.pareto(1.3, users), 30.0) / 4
    return random.poisson(often[:, np.newaxis], (users, days)).astype(np.float64)


def takes(random: np.random.Generator, users: int, days: int, rate: float = 0.1) -> Log:
    """Takes of visits: skewed activity, and a taste of each user's own."""
    per = visits(random, users, days)
    tastes = random.beta(8 * rate, 8 * (1 - rate), users)
    of = random.binomial(per.astype(np.int64), tastes[:, np.newaxis]).astype(np.float64)
    return Log(of, per, random.binomial(20, tastes).astype(np.float64))


def minutes(random: np.random.Generator, users: int, days: int) -> Log:
    """Amounts that hang together with what was there before."""
    base = random.gamma(1.0, 2.0, users)
    of = random.gamma(2.0, base[:, np.newaxis] / 2, (users, days))
    return Log(of, np.ones((users, days)), base + random.normal(0, 1.0, users))


def converted(random: np.random.Generator, users: int, days: int) -> Log:
    """One of fifty does, once."""
    of = np.zeros((users, days))
    of[np.arange(users), random.integers(0, days, users)] = random.random(users) < 0.02
    return Log(of, np.ones((users, days)), random.normal(size=users))


class Case(NamedTuple):
    """A log, and a plan for it."""

    draw: Callable[[np.random.Generator, int, int], Log]
    users: int
    effect: float
    per: str = "user"
    share: float = 0.5
    covariate: bool = False
    looks: tuple[int, ...] = (7,)
    spending: str = "obrien_fleming"
    role: str = "primary"
    window: int = 0

    def plan(self) -> str:
        """The file."""
        role = 'role = "primary"' if self.role == "primary" else f'role = "guardrail"\nmargin = {self.effect}'
        looks = ", ".join(str(START + timedelta(days=day - 1)) for day in self.looks)
        covariate = '\ncovariate = "before"' if self.covariate else ""
        other = "" if self.role == "primary" else '[[metrics]]\nname = "p"\nrole = "primary"\nof = "of"\n'
        return f"""
hypothesis = "b is better"
source = "table"
start = {START}
end = {START + timedelta(days=self.looks[-1] - 1)}
looks = [{looks}]
spending = "{self.spending}"
smallest_effect = {self.effect}
window = {self.window}
[[variants]]
name = "a"
share = {1 - self.share}
[[variants]]
name = "b"
share = {self.share}
[[metrics]]
name = "m"
{role}
of = "of"
per = "{self.per}"{covariate}
{other}"""


def planned(root: Path, case: Case, log: Log) -> tuple[Plan, Planned]:
    """What ``artwork experiment plan`` says of a table; users are in it on days on which they came."""
    workspace = Workspace(root)
    plan_path(workspace, "x").parent.mkdir(exist_ok=True)
    plan_path(workspace, "x").write_text(case.plan())
    users, days = np.nonzero(log.per)
    frame = pl.DataFrame(
        {
            "user": [f"u{user}" for user in users],
            "day": [START - timedelta(days=30 - day) for day in days.tolist()],
            "of": log.of[users, days],
            "per": log.per[users, days],
            "before": log.before[users],
        }
    )
    frame.write_parquet(root / "table.parquet")
    return read_plan(workspace, "x"), plan_power(workspace, "x", root / "table.parquet")


def history(log: Log, first: int, days: int) -> pl.DataFrame:
    """Some days of a log as a plan takes them."""
    users, places = np.nonzero(log.per[:, first : first + days])
    columns = {"of_0": log.of[users, first + places], "per_0": log.per[users, first + places]}
    when = [START + timedelta(days=place) for place in places.tolist()]
    return pl.DataFrame({USER_ID: users.astype(str), "day": when, **columns})


def until_looks(log: Log, looks: tuple[int, ...]) -> Log:
    """A log with a column for all days from one look to the next."""
    starts = [0, *looks[:-1]]
    return log._replace(of=np.add.reduceat(log.of, starts, axis=1), per=np.add.reduceat(log.per, starts, axis=1))


def treated_log(random: np.random.Generator, log: Log, treated: Bool, case: Case) -> Log:
    """The effect added to the users of the treatment: more events of those that could be, or as much more for everybody."""
    if case.role == GUARDRAIL:
        return log
    of = log.of.copy()
    if case.draw is minutes:
        of[treated] += case.effect / case.looks[-1] * log.per[treated]
    elif case.draw is converted:
        gain = treated & (log.of.sum(axis=1) == 0)
        gain &= random.random(len(treated)) < case.effect / (1 - log.of.sum() / len(treated))
        of[gain, random.integers(0, log.of.shape[1], int(gain.sum()))] = 1
    else:
        left = (log.per - log.of)[treated].astype(np.int64)
        of[treated] += random.binomial(left, case.effect / (1 - log.of.sum() / log.per.sum()))
    return log._replace(of=of)


def seen(plan: Plan, log: Log, treated: Bool, case: Case, at: int) -> Effect:
    """The effect at a look, as it is read."""
    of, per = log.of[:, : at + 1].sum(axis=1), log.per[:, : at + 1].sum(axis=1)
    sides = [(per > 0) & own for own in (treated, ~treated)]
    before = (log.before[sides[0]], log.before[sides[1]]) if case.covariate else None
    if case.per == "user":
        effect = mean_effect(of[sides[0]], of[sides[1]], before)
    else:
        effect = ratio_effect((of[sides[0]], per[sides[0]]), (of[sides[1]], per[sides[1]]), covariates=before)
    return seen_at(effect, width_at(plan, plan.looks[: at + 1]))


def is_shown(plan: Plan, log: Log, treated: Bool, case: Case) -> bool:
    """Whether the effect is shown at a look, or the guardrail kept at the last one."""
    last = len(case.looks) - 1
    if case.role == GUARDRAIL:
        return seen(plan, log, treated, case, last).lower > -case.effect
    return any(seen(plan, log, treated, case, at).lower > 0 for at in range(last + 1))


CASES = {
    "amounts": Case(minutes, 800, 2.9),
    "amounts, 90:10": Case(minutes, 2000, 3.0, share=0.1),
    "amounts with CUPED": Case(minutes, 800, 1.6, covariate=True),
    "yes or no": Case(converted, 3000, 0.016),
    "yes or no, 90:10": Case(converted, 6000, 0.022, share=0.1),
    "ratio of skewed activity": Case(takes, 3000, 0.028, per="per"),
    "ratio of skewed activity, 90:10": Case(takes, 6000, 0.032, per="per", share=0.1),
    "ratio with CUPED": Case(takes, 3000, 0.02, per="per", covariate=True),
    "four looks": Case(minutes, 800, 2.9, looks=(1, 3, 5, 7), spending="pocock"),
    "a ratio at four looks": Case(takes, 3000, 0.028, per="per", looks=(2, 3, 5, 7), spending="power:3"),
    "a guardrail": Case(takes, 3000, 0.028, per="per", role="guardrail"),
    "a guardrail at two looks, 90:10": Case(
        minutes, 2000, 3.0, share=0.1, role="guardrail", looks=(3, 7), spending="pocock"
    ),
}


@pytest.mark.simulations
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_plan_has_the_power_that_it_says(tmp_path: Path, case: Case) -> None:
    random = np.random.default_rng(7)
    log = case.draw(random, case.users, 7)
    plan, made = planned(tmp_path, case, log)
    metric = next(one for one in made.metrics if one.metric.name == "m")
    says = (metric.with_covariate if case.covariate else metric.plain).at_end  # type: ignore[union-attr]
    shown, log = 0, until_looks(log, case.looks)
    for _ in range(SPLITS):
        treated = random.random(case.users) < case.share
        shown += is_shown(plan, treated_log(random, log, treated, case), treated, case)
    assert 0.3 < says < 0.97
    assert abs(shown / SPLITS - says) < POINTS


def comers_and_goers(random: np.random.Generator, users: int, days: int) -> Log:
    """Users who stay for twelve days on average; as many are born as leave."""
    whole = takes(random, 3 * users, days)
    born, stayed = random.integers(-40, days, 3 * users), random.geometric(1 / 12, 3 * users)
    day = np.arange(days)
    there = (day >= born[:, np.newaxis]) & (day < (born + stayed)[:, np.newaxis])
    return whole._replace(of=whole.of * there, per=whole.per * there)


# Of the standard error that a plan says beyond its log against that which comes, and of users; the same error for both.
AHEAD = {
    "the same users": (takes, (0.93, 1.05), (0.97, 1.09)),
    "users who stay for days": (comers_and_goers, (0.95, 1.2), (0.9, 1.05)),
}


@pytest.mark.simulations
@pytest.mark.parametrize("per", ["user", "per"])
@pytest.mark.parametrize(("draw", "errors", "users"), AHEAD.values(), ids=AHEAD.keys())
def test_fourteen_days_tell_what_twenty_eight_will_be(
    per: str, draw: Callable[..., Log], errors: tuple[float, float], users: tuple[float, float]
) -> None:
    metric, said = Metric("m", "of", per=per), []
    for seed in range(12):
        log = draw(np.random.default_rng(seed), 2500, 42)
        course = course_of(history(log, 0, 14), metric, 0, None, planned=28, window=0)
        sums = per_user(history(log, 14, 28), metric, 0)
        numbers = linearised(sums)
        value = sums["of"].to_numpy().sum() / sums["per"].to_numpy().sum()
        error = np.sqrt(numbers.var(ddof=1) / len(numbers)) / value
        said.append((np.sqrt(course.variance[27]) / course.value[27] / error, course.users[27] / len(numbers)))
    made = np.exp(np.log(said).mean(axis=0))
    assert errors[0] <= made[0] <= errors[1]
    assert users[0] <= made[1] <= users[1]


@pytest.mark.simulations
@pytest.mark.parametrize("per", ["user", "per"])
@pytest.mark.parametrize("draw", [takes, comers_and_goers], ids=AHEAD.keys())
def test_fourteen_days_do_not_tell_that_cuped_removes_more_in_twenty_eight_than_it_will(
    per: str, draw: Callable[..., Log]
) -> None:
    metric, said = Metric("m", "of", per=per, covariate=7), []
    for seed in range(10):
        log = draw(np.random.default_rng(seed), 2500, 42)
        frame = history(log, 0, 14)
        course = course_of(frame, metric, 0, 7, planned=28, window=0)
        after_week = correlation_with_before(frame, metric, 0, sorted(frame["day"].unique().to_list()), 7)
        assert after_week is not None
        now, then = (per_user(history(log, *days), metric, 0) for days in ((14, 28), (7, 7)))
        ratio = 0.0 if per == "user" else then["of"].to_numpy().sum() / then["per"].to_numpy().sum()
        before = then.select(USER_ID, before=pl.col("of") - ratio * pl.col("per"))
        joined = now.join(before, on=USER_ID, how="left", maintain_order="left").fill_null(0.0)
        removed = np.corrcoef(linearised(now), joined["before"].to_numpy())[0, 1] ** 2
        told = after_week**2 * course.covered[27] / course.covered[6]
        said.append(np.sqrt((1 - told) / (1 - removed)))
    assert 0.95 <= np.mean(said) <= 1.15  # of the standard error that is left


def test_a_plan_of_as_many_days_as_its_log_has_the_error_of_the_log() -> None:
    log = takes(np.random.default_rng(3), 500, 7)
    frame = history(log, 0, 7)
    for per in ("user", "per"):
        metric = Metric("m", "of", per=per)
        numbers = linearised(per_user(frame, metric, 0))
        course = course_of(frame, metric, 0, None, planned=7, window=0)
        assert course.users[6] == len(numbers)
        assert course.variance[6] == pytest.approx(numbers.var() / len(numbers))


def test_a_window_counts_users_whose_window_is_over_with_the_days_in_it() -> None:
    frame = history(takes(np.random.default_rng(3), 500, 7), 0, 7)
    course = course_of(frame, Metric("m", "of", per="per"), 0, None, planned=7, window=3)
    first = frame.with_columns(first=pl.col("day").min().over(USER_ID)).filter(
        pl.col("first") <= START + timedelta(days=4)
    )
    own = first.filter(pl.col("day") < pl.col("first") + timedelta(days=3)).group_by(USER_ID).sum()
    of, per = own["of_0"].to_numpy(), own["per_0"].to_numpy()
    numbers = (of - of.sum() / per.sum() * per) / per.mean()
    assert np.isinf(course.variance[:2]).all()
    assert course.users[6] == pytest.approx(own.height, rel=0.05)
    assert course.variance[6] * course.users[6] == pytest.approx(numbers.var(ddof=1))


def test_an_experiment_with_half_of_its_layer_and_a_holdback_has_so_many_fewer_users(tmp_path: Path) -> None:
    log = minutes(np.random.default_rng(5), 800, 7)
    one = planned(tmp_path, Case(minutes, 800, 1.0), log)[1].metrics[0].plain
    text = Case(minutes, 800, 1.0).plan()
    part = 'layer = "page"\ntraffic = [0.0, 0.5]\nholdback = 0.1\n[[variants]]'
    plan_path(Workspace(tmp_path), "x").write_text(text.replace("[[variants]]", part, 1))
    less = plan_power(Workspace(tmp_path), "x", tmp_path / "table.parquet").metrics[0].plain
    assert less.detectable == pytest.approx(one.detectable / np.sqrt(0.45), rel=0.01)
    assert less.at_end < one.at_end


def test_a_column_as_covariate_is_planned_with_on_a_table_without_days(tmp_path: Path) -> None:
    log = minutes(np.random.default_rng(5), 800, 7)
    planned(tmp_path, Case(minutes, 800, 1.0, covariate=True), log)
    sums = (
        pl.read_parquet(tmp_path / "table.parquet").group_by("user").agg(pl.col("of").sum(), pl.col("before").first())
    )
    sums.write_parquet(tmp_path / "sums.parquet")
    made = plan_power(Workspace(tmp_path), "x", tmp_path / "sums.parquet").metrics[0]
    assert made.with_covariate is not None
    assert made.correlation == pytest.approx(np.corrcoef(sums["of"], sums["before"])[0, 1])
    assert made.with_covariate.at_end > made.plain.at_end


def test_looks_cost_power_and_users(tmp_path: Path) -> None:
    log = minutes(np.random.default_rng(5), 800, 7)
    one, four = (
        planned(tmp_path, Case(minutes, 800, 2.0, looks=looks, spending="pocock"), log)[1].metrics[0].plain
        for looks in ((7,), (1, 3, 5, 7))
    )
    assert four.at_end < one.at_end - 0.03
    assert four.users > one.users


def test_a_chance_of_crossing_is_that_of_simulated_looks() -> None:
    information = np.array([0.3, 0.5, 1.0])
    bounds = spending_bounds(information, 0.05, "pocock")
    steps = np.random.default_rng(1).normal(size=(100_000, 3)) * np.sqrt(np.diff(information, prepend=0.0))
    z = np.cumsum(steps, axis=1) / np.sqrt(information) + 2.5 * np.sqrt(information)
    assert crossing_power(information, bounds, 2.5) == pytest.approx((np.abs(z) > bounds).any(axis=1).mean(), abs=0.006)
    assert crossing_power([1.0], [1.96], 2.8) == pytest.approx(ndtr(2.8 - 1.96), abs=1e-5)


@pytest.mark.parametrize("days", [1, 60])
@pytest.mark.parametrize(("per", "window"), [("user", 0), ("per", 0), ("per", 5)])
@pytest.mark.parametrize("kind", ["once each", "nothing at the end", "negative", "one heavy user", "comes back daily"])
def test_awkward_logs_give_a_plan_of_numbers(tmp_path: Path, days: int, per: str, window: int, kind: str) -> None:
    random = np.random.default_rng(2)
    log = takes(random, 120, days, 0.3)
    log.per[np.arange(120), random.integers(0, days, 120)] += 1  # everybody came
    if kind == "once each":
        first = (log.per > 0) & (np.cumsum(log.per > 0, axis=1) == 1)
        log = Log(np.minimum(log.of, 1.0) * first, first.astype(np.float64), log.before)
    elif kind == "nothing at the end":
        log.of[:, days // 2 + 1 :] = 0
    elif kind == "negative":
        log = log._replace(of=log.of - 0.5)
    elif kind == "one heavy user":
        log.of[0], log.per[0] = 1000, 2000
    elif kind == "comes back daily":
        log = Log(log.of, np.maximum(log.per, 1.0), log.before)
    case = Case(takes, 120, 0.1, per=per, window=window, covariate=True, looks=(5, 6, 7), share=0.2)
    made = planned(tmp_path, case, log)[1].metrics[0]
    for power in (made.plain, made.with_covariate or made.plain):
        assert 0 <= power.at_end <= 1
        assert 0 < power.detectable < np.inf
        assert 4 <= power.users < 1e12
        assert power.days is None or 1 <= power.days <= 366
    assert 0 < made.deviation < np.inf
    assert made.users > 0
