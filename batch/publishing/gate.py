"""A gate before the flip: what is plainly wrong with a generation is refused while the one before still serves.

A generation is compared with the one that is served, its parent. What cannot be compared passes, and is told.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from bandit.errors import CheckError, InputError
from batch.publishing.gate_draws import LogDraws, log_draws
from batch.publishing.gate_rates import compare_rates, is_outside
from batch.publishing.gate_weights import PAIRS, WeightSample, sample_weights
from batch.workspace.files import first_line
from batch.workspace.generations import Manifest, folder_of, read_manifest, verify_files
from batch.workspace.workspace import Workspace

LOWEST_RATIO, HIGHEST_RATIO = 0.5, 2.0
"""Between which a reward rate may lie, as a multiple of the parent's."""

MOST_DRIFT: Final = 0.5
"""Mean total variation between the weights of a generation and its parent: 0.08 to 0.17 between the nights of the demo."""

LEAST_ENTROPY: Final = 0.5
"""Share of the parent's entropy that is left: 0.84 to 0.97 between the nights of the demo."""

MOST_GROWTH: Final = 2
"""Times the impressions of the parent, up to which a generation is expected to choose alike: from no impressions to a day of them
the weights go from uniform to those of Thompson sampling, a total variation of 0.51."""

MOST_OFF: Final = 0.02
"""By which the mean propensity, or arm, of what was drawn may miss what the weights say, as a share of it."""

_AGAIN: Final = 4
"""Times as many picks are looked at again where those of the first sample seem to miss their weights."""

_Z: Final = 3.4808
"""Two-sided p < 0.001 of two figures together."""

_Z_OF_ALL: Final = 5.0263
"""The same for p < 0.001², where there are no more picks to look at: as seldom as chance does it to two samples in turn."""


@dataclass(frozen=True)
class Check:
    """One question of the gate: ``passed`` is None where it could not be judged; ``text`` says what was seen."""

    name: str
    text: str
    figures: Mapping[str, float] = field(default_factory=dict)
    passed: bool | None = None


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a generation; ``parent`` is the one that it was compared with."""

    generation: int
    parent: int | None
    checks: tuple[Check, ...]
    seconds: float

    @property
    def refused(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.passed is False)

    @property
    def passes(self) -> bool:
        """Whether nothing is against it."""
        return not self.refused


class RefusedError(CheckError):
    """A generation is not published; ``verdict`` has the figures."""

    def __init__(self, verdict: Verdict) -> None:
        reasons = "; ".join(f"{check.name}: {check.text}" for check in verdict.refused)
        serves = f"generation {verdict.parent} serves on" if verdict.parent else "what is served serves on"
        super().__init__(
            f"generation {verdict.generation} is not published, {serves}: {reasons}. Look for the cause in the impressions and"
            f" settings; `artwork publish --generation {verdict.generation} --force` publishes it all the same"
        )
        self.verdict = verdict


def judge(workspace: Workspace, generation: int, parent: int | None) -> Verdict:
    """Judge a generation that has its picks, before anything of it is written to a store.

    Args:
        workspace: that holds it.
        generation: its number.
        parent: the generation of this workspace that is served; None where there is none to compare with.

    Raises:
        InputError: the generation is not there, or its files cannot be read.
    """
    began = time.perf_counter()
    manifest = read_manifest(workspace, generation)
    before, why = _parent(workspace, parent)
    finite = _finite(folder_of(workspace, generation))
    checks = [finite, _rewards(manifest, before, why)]
    if finite.passed:
        checks += _of_weights(workspace, manifest, before, why)
    checks.append(_logged(log_draws(workspace, manifest, before)))
    return Verdict(generation, parent, tuple(checks), round(time.perf_counter() - began, 3))


def _parent(workspace: Workspace, generation: int | None) -> tuple[Manifest | None, str]:
    """The manifest of the parent, and where it cannot be compared with, why."""
    if generation is None:
        return None, "nothing of this workspace is served that it could be compared with"
    try:
        manifest = read_manifest(workspace, generation)
        verify_files(workspace, manifest, but_picks=True)
    except InputError as error:
        return None, f"generation {generation}, which is served, cannot be compared with: {first_line(error)}"
    return manifest, ""


def _finite(folder: Path) -> Check:
    """Whether every number of the models is one."""
    for path in sorted((folder / "posterior").glob("*.npz")):
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            for name in file.files:
                array = file[name]
                if array.dtype.kind == "f" and (wrong := int((~np.isfinite(array)).sum())):
                    text = f"{wrong:,} of {array.size:,} numbers of {name} in {path.name} are not finite"
                    return Check("finite numbers", text, {"wrong": wrong}, passed=False)
    return Check("finite numbers", "every number of the models is finite", passed=True)


def _rewards(manifest: Manifest, parent: Manifest | None, why: str) -> Check:
    """Whether the rewards that are new have about the rate of those that the parent learned from."""
    name = "reward rate"
    if parent is None:
        return Check(name, why)
    if manifest.config.rewards[0] != parent.config.rewards[0]:
        return Check(name, f"the reward is another than that of generation {parent.generation}")
    rates = compare_rates(manifest.days, parent.days)
    if rates is None:
        return Check(name, f"no day is other than those that generation {parent.generation} learned from")
    bounds = (LOWEST_RATIO, HIGHEST_RATIO)
    wrong = [rate for rate in rates.judged if is_outside(rate, rates.parent, bounds, len(rates.judged))]
    shown = max(wrong, key=lambda rate: rate.impressions, default=rates.judged[0])
    figures = {
        "ratio": shown.ratio(rates.parent),
        "rewards": shown.rewards,
        "impressions": float(shown.impressions),
        "parent_rewards": rates.parent.rewards,
        "parent_impressions": float(rates.parent.impressions),
    }
    text = (
        f"{shown.text} on {shown.days}, {rates.parent.text} in what generation {parent.generation} learned from: a ratio of"
        f" {figures['ratio']:.2f}, expected {LOWEST_RATIO:g} to {HIGHEST_RATIO:g}"
    )
    is_judged = any(rate.is_enough(rates.parent) for rate in rates.judged)
    if not is_judged:
        return Check(name, f"{text}; too few to judge", figures)
    return Check(name, text, figures, passed=not wrong)


def _of_weights(workspace: Workspace, manifest: Manifest, parent: Manifest | None, why: str) -> list[Check]:
    try:
        sample = sample_weights(workspace, manifest, parent)
    except (InputError, IndexError, ValueError) as error:  # a model of other artworks or features
        return [Check("weights", f"they cannot be recomputed from the models: {first_line(error)}", passed=False)]
    if parent is not None and sum(manifest.rows.values()) > MOST_GROWTH * sum(parent.rows.values()):
        sample, why = (
            replace(sample, compared=0),
            (
                f"generation {parent.generation} learned from {sum(parent.rows.values()):,} impressions, this one from"
                f" {sum(manifest.rows.values()):,}: what is learned so early changes much"
            ),
        )
    elif parent is not None and not sample.compared:
        why = (
            f"no user has the policy, posterior and reward of generation {parent.generation}, or no title two artworks that both"
            " know"
        )
    drawn = _drawn(sample)
    if drawn.passed is False:  # which chance does to one night in a thousand, but not twice
        again = sample_weights(workspace, manifest, None, _AGAIN * PAIRS)
        drawn = _drawn(again, _Z if again.picks >= 2 * sample.picks else _Z_OF_ALL)
    return [_drift(sample, parent, why), _entropy(sample, parent, why), drawn]


def _drift(sample: WeightSample, parent: Manifest | None, why: str) -> Check:
    name = "drift of the weights"
    if parent is None or not sample.compared:
        return Check(name, why)
    text = (
        f"mean total variation of {sample.drift:.2f} from the weights of generation {parent.generation} over"
        f" {sample.compared:,} users and titles, expected at most {MOST_DRIFT:g} where policy, posterior and reward are the same"
    )
    figures = {"total_variation": sample.drift, "compared": float(sample.compared)}
    return Check(name, text, figures, passed=sample.drift <= MOST_DRIFT)


def _entropy(sample: WeightSample, parent: Manifest | None, why: str) -> Check:
    name = "entropy of the weights"
    if parent is None or not sample.compared:
        return Check(name, why)
    text = (
        f"mean entropy of {sample.entropy:.3f}, {sample.parent_entropy:.3f} in generation {parent.generation} (1 is uniform),"
        f" expected at least {LEAST_ENTROPY:g} of that"
    )
    figures = {"entropy": sample.entropy, "parent_entropy": sample.parent_entropy}
    return Check(name, text, figures, passed=sample.entropy >= LEAST_ENTROPY * sample.parent_entropy)


def _drawn(sample: WeightSample, z: float = _Z) -> Check:
    """Whether the picks were drawn by the weights, and say so; ``z`` is how many standard errors may be chance."""
    name = "draws of the picks"
    if not sample.picks:
        return Check(name, "no title has two artworks to draw from")
    off = [figure for figure in (sample.weight_drawn, sample.arm_drawn) if figure.is_off(MOST_OFF, z)]
    misstated = sample.misstated > MOST_OFF
    text = (
        f"of {sample.picks:,} picks the mean weight of what was drawn is {sample.weight_drawn.ratio - 1:+.1%} from what"
        f" the weights say, the mean arm {sample.arm_drawn.ratio - 1:+.1%}; the weights that they state are off by"
        f" {sample.misstated:.1%}; expected at most {MOST_OFF:.0%}"
    )
    figures = {
        "weight_ratio": sample.weight_drawn.ratio,
        "weight_z": sample.weight_drawn.z,
        "arm_ratio": sample.arm_drawn.ratio,
        "arm_z": sample.arm_drawn.z,
        "misstated": sample.misstated,
        "picks": float(sample.picks),
    }
    return Check(name, text, figures, passed=not off and not misstated)


def _logged(draws: LogDraws) -> Check:
    """Whether what was shown agrees with the propensities that the log states."""
    name = "propensities of the log"
    figures = {"ratio": draws.figure.ratio, "z": draws.figure.z, "decisions": float(draws.decisions)}
    if not draws.decisions:
        return Check(name, "there is no new impression of a pick")
    text = (
        f"over {draws.decisions:,} new decisions the mean of 1 / (propensity x artworks) is {draws.figure.ratio:.3f},"
        f" expected 1 within {MOST_OFF:.0%}"
    )
    if not draws.is_enough:
        return Check(name, f"{text}; too few to judge", figures)
    return Check(name, text, figures, passed=not draws.figure.is_off(MOST_OFF, _Z))
