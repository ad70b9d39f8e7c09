"""All evidence so far: the days one after the other, older ones at a discount."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

from bandit.posterior import BetaEvidence, LinearEvidence
from bandit.posterior.base import Evidence
from bandit.posterior.registry import POSTERIORS
from batch.config import Config
from batch.executors import Executor, Progress
from batch.learning.day_rows import DaySource
from batch.learning.evidence import BETA, LINEAR, ROWS, add, day_sums, rows_path
from batch.workspace.catalogue import Catalogue
from batch.workspace.impressions import days
from batch.workspace.workspace import Workspace


class WeightedRows(NamedTuple):
    """A file of a day's rows, and the weight that is left of them."""

    path: Path
    weight: float


@dataclass
class Learned:
    """What the log teaches: discounted ``beta`` and ``linear``, and the files of the rows that ``logistic`` is fitted to.

    ``seen`` counts every impression alike: an artwork stays known when what was learned of it has faded.
    """

    beta: BetaEvidence
    seen: BetaEvidence
    linear: LinearEvidence | None
    days: dict[str, int] = field(default_factory=dict)
    rows: list[WeightedRows] = field(default_factory=list)
    unknown: int = 0

    def evidence(self, kind: type[Evidence]) -> Evidence | None:
        """The evidence of a kind; None of the one that is rows on disk."""
        return {BETA: self.beta, LINEAR: self.linear}.get(kind.kind)

    @property
    def impressions(self) -> int:
        """All impressions that were read."""
        return sum(self.days.values())


def learn(
    workspace: Workspace,
    catalogue: Catalogue,
    n_features: int,
    config: Config,
    reward: str,
    executor: Executor,
    report: Progress,
    *,
    shard_size: int,
) -> Learned:
    """Add up what all days teach of a reward: Σ_day retention^age · evidence_day, with ages from the newest day.

    Raises:
        InputError: the impressions, or what is kept of them, are not as they should be.
        SurroundingsError: the disk does not take it.
    """
    wanted = days(workspace)
    kinds = {POSTERIORS[key.posterior].evidence.kind for key in config.models if key.reward == reward}
    total = Learned(
        BetaEvidence.empty(catalogue.n_artworks),
        BetaEvidence.empty(catalogue.n_artworks),
        LinearEvidence.empty(catalogue.n_artworks, n_features) if LINEAR in kinds else None,
    )
    for place, day in enumerate(wanted):
        source = DaySource(workspace, day, catalogue, n_features, reward, config.rewards.index(reward))
        sums = day_sums(source, kinds, executor, shard_size)
        weight = weight_of(config.retention, day, wanted[-1])
        add(total.seen, sums.beta, sums.artworks, 1.0)
        add(total.beta, sums.beta, sums.artworks, weight)
        if total.linear is not None:
            add(total.linear, sums.linear, sums.artworks, weight)
        if ROWS in kinds and weight > 0:
            total.rows.append(WeightedRows(rows_path(source), weight))
        total.days[day.isoformat()] = sums.impressions
        total.unknown += sums.unknown
        report("learning from days", place + 1, len(wanted))
    return total


def weight_of(retention: float, day: date, newest: date) -> float:
    """retention^age: what is left of a day's evidence on the newest day.

    >>> weight_of(0.9, date(2026, 1, 1), date(2026, 1, 3))
    0.81
    """
    return float(retention ** (newest - day).days)
