"""SLOPE: the setting of an estimator chosen from the log itself."""

from math import sqrt
from typing import NamedTuple

from bandit.evaluation.estimators.base import Estimator, Terms
from bandit.evaluation.intervals.normal import standard_error
from bandit.evaluation.sample import Sample

_SLACK = sqrt(6) - 1
_WIDTHS = 1.0
"""Standard errors that count as an estimate's width. In a world of weights up to 3,000 the root mean squared error of switch_dr
was 0.154 at half of one, 0.072 at one and 0.076 at 1.96 (1,000 impressions), and 0.098, 0.043, 0.062 (5,000). With ample
overlap, where nothing needs to be traded: 0.023, 0.036, 0.059."""


class _Candidate(NamedTuple):
    estimator: Estimator
    terms: Terms
    width: float


def resolved(estimator: Estimator, sample: Sample) -> tuple[Estimator, Terms]:
    """The estimator with its setting, which SLOPE chooses where it is left to the data, and its terms."""
    if estimator.tuned is None or estimator.setting is not None:
        return estimator, estimator.terms(sample)
    chosen = slope([_candidate(estimator.with_setting(value), sample) for value in estimator.candidates(sample)])
    return chosen.estimator, chosen.terms


def slope(candidates: list[_Candidate]) -> _Candidate:
    """The last candidate that agrees with all before it within their widths (Su, Srinath and Krishnamurthy 2020).

    Candidates come with bias growing and width falling, which is made sure of by leaving out those that are wider than one
    before. Two agree where |v_i - v_j| ≤ width_i + (√6 - 1) width_j, j before i (Tucker and Lee 2021, SLOPE++).
    Intervals of the chosen one do not know that it was chosen.
    """
    kept: list[_Candidate] = []
    for candidate in candidates:
        if kept and candidate.width > kept[-1].width:
            continue
        agrees = all(
            abs(candidate.terms.value - before.terms.value) <= candidate.width + _SLACK * before.width
            for before in kept
        )
        if not agrees:
            break
        kept.append(candidate)
    return kept[-1]


def _candidate(estimator: Estimator, sample: Sample) -> _Candidate:
    terms = estimator.terms(sample)
    return _Candidate(estimator, terms, _WIDTHS * standard_error(sample, terms))
