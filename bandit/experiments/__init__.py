"""Experiments: what a treatment changed against a control, how sure that is, and what to do about it.

Arrays have one number per user; effects are treatment minus control, two-sided, with a standard error that knows that what one
user does hangs together. Nothing here knows files, policies or logs.

>>> import numpy as np
>>> random = np.random.default_rng(1)
>>> impressions = random.integers(1, 20, size=(2, 5000))
>>> takes = random.binomial(impressions, [[0.11], [0.10]])
>>> effect = ratio_effect((takes[0], impressions[0]), (takes[1], impressions[1]))
>>> round(effect.value, 4), round(effect.lower, 4), round(effect.upper, 4)
(0.0129, 0.0092, 0.0167)
"""

from bandit.experiments.corrections import benjamini_hochberg, bonferroni, holm
from bandit.experiments.deciding import Decision, Judged, Metric, QualityCheck, decide
from bandit.experiments.discontinuity import Discontinuity, discontinuity
from bandit.experiments.effects import Effect, mean_effect, ratio_effect
from bandit.experiments.interactions import Interaction, interactions
from bandit.experiments.looks import AnyError, AnyLook, OneLook, PlannedLook, seen_at
from bandit.experiments.margins import Equivalence, NonInferiority, equivalence, equivalence_of, non_inferiority
from bandit.experiments.novelty import Novelty, novelty
from bandit.experiments.paired import Interleaved, interleaved_effect, paired_effect
from bandit.experiments.panels import DifferenceInDifferences, difference_in_differences, without_each_unit
from bandit.experiments.power import detectable_effect, power_of, sample_size, users_for
from bandit.experiments.quantiles import quantile_effect
from bandit.experiments.rollouts import Move, Rollout, move, rollout_effect
from bandit.experiments.sample_ratios import SampleRatio, SampleRatioSequence, sample_ratio, sample_ratio_sequence
from bandit.experiments.sequences import Ends, confidence_sequence, sequence_p_value
from bandit.experiments.spending import spending_bounds
from bandit.experiments.strata import Heterogeneity, Shrunken, heterogeneity, shrunken, stratified_effect

__all__ = [
    "AnyError",
    "AnyLook",
    "Decision",
    "DifferenceInDifferences",
    "Discontinuity",
    "Effect",
    "Ends",
    "Equivalence",
    "Heterogeneity",
    "Interaction",
    "Interleaved",
    "Judged",
    "Metric",
    "Move",
    "NonInferiority",
    "Novelty",
    "OneLook",
    "PlannedLook",
    "QualityCheck",
    "Rollout",
    "SampleRatio",
    "SampleRatioSequence",
    "Shrunken",
    "benjamini_hochberg",
    "bonferroni",
    "confidence_sequence",
    "decide",
    "detectable_effect",
    "difference_in_differences",
    "discontinuity",
    "equivalence",
    "equivalence_of",
    "heterogeneity",
    "holm",
    "interactions",
    "interleaved_effect",
    "mean_effect",
    "move",
    "non_inferiority",
    "novelty",
    "paired_effect",
    "power_of",
    "quantile_effect",
    "ratio_effect",
    "rollout_effect",
    "sample_ratio",
    "sample_ratio_sequence",
    "sample_size",
    "seen_at",
    "sequence_p_value",
    "shrunken",
    "spending_bounds",
    "stratified_effect",
    "users_for",
    "without_each_unit",
]
