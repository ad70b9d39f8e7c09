"""Estimators by the words of the command line: ``snips``, ``ips:clip=10``, ``switch_dr:threshold=slope``."""

from dataclasses import fields

from bandit.errors import InputError
from bandit.evaluation.estimators.base import SLOPE, Estimator
from bandit.evaluation.estimators.dm import DM
from bandit.evaluation.estimators.dr import DR
from bandit.evaluation.estimators.dros import DRos
from bandit.evaluation.estimators.ips import IPS
from bandit.evaluation.estimators.replay import Replay
from bandit.evaluation.estimators.sndr import SNDR
from bandit.evaluation.estimators.snips import SNIPS
from bandit.evaluation.estimators.switch_dr import SwitchDR
from bandit.parameters import check_parameters, parse_parameters

ESTIMATORS: dict[str, type[Estimator]] = {
    estimator.name: estimator for estimator in (Replay, IPS, SNIPS, DM, DR, SNDR, SwitchDR, DRos)
}
"""Every estimator by its name."""


def make_estimator(name: str, **tuning: float | None) -> Estimator:
    """An estimator by its name.

    Raises:
        InputError: the name or a parameter is not known, or a value is out of range.
    """
    if name not in ESTIMATORS:
        raise InputError(f"there is no estimator {name!r}; choose one of {', '.join(ESTIMATORS)}")
    kind = ESTIMATORS[name]
    check_parameters(name, tuning, (field.name for field in fields(kind)))  # type: ignore[arg-type]
    return kind(**tuning)


def parse_estimator(text: str) -> Estimator:
    """An estimator from ``name`` or ``name:parameter=value``; ``slope`` as the value lets SLOPE choose it.

    Raises:
        InputError: as ``make_estimator``.

    >>> parse_estimator("ips:clip=10"), parse_estimator("snips:clip=slope")
    (IPS(clip=10.0), SNIPS(clip=None))
    """
    name, _, arguments = text.partition(":")
    chosen = [item.partition("=")[0] for item in arguments.split(",") if item.partition("=")[2] == SLOPE]
    kept = ",".join(item for item in arguments.split(",") if item.partition("=")[2] != SLOPE)
    return make_estimator(name, **parse_parameters(f"{name}:{kept}")[1], **dict.fromkeys(chosen))
