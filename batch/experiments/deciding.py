"""Decisions on record: all that went into one, a digest, and the same bytes again from the record alone."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from math import inf, isclose, isfinite
from pathlib import Path
from typing import Any, Final

from bandit.errors import InputError, SurroundingsError
from bandit.experiments import (
    AnyError,
    Decision,
    Effect,
    Metric,
    Move,
    OneLook,
    PlannedLook,
    QualityCheck,
    decide,
    move,
)
from bandit.experiments.effects import effect_of
from bandit.experiments.looks import Look as LookKind
from bandit.experiments.looks import Looks
from bandit.files import replace_file
from batch.experiments.effects import MetricEffect
from batch.experiments.plans.file import record_folder
from batch.experiments.plans.plan import GUARDRAIL, PRIMARY, Plan, digest_of, plain
from batch.experiments.reading import Reading, Source, read, width_at
from batch.experiments.register import registered, registering
from batch.workspace.workspace import Workspace

FORMAT: Final = 1
MAX_RECORD_BYTES: Final = 16 << 20
DECISION: Final = "decision"
_INVALID: Final = "INVALID"
_OF_PLAN: Final = ("role", "direction", "margin")


@dataclass(frozen=True)
class Verdict:
    """What to do with a treatment, and why, in order."""

    treatment: str
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Decided:
    """A decision that was put on record; ``reading`` is what it was made of, ``again`` that the same record was there already."""

    name: str
    verdicts: tuple[Verdict, ...]
    record: Path
    digest: str
    again: bool
    reading: Reading

    @property
    def is_valid(self) -> bool:
        """Whether every treatment could be judged."""
        return all(one.verdict != _INVALID for one in self.verdicts)


@dataclass(frozen=True)
class Replayed:
    """A decision made again from its record; ``same`` where all bytes are, ``move`` what a gate made of it."""

    record: Path
    name: str
    day: str
    verdicts: tuple[Verdict, ...]
    same: bool
    differs: tuple[str, ...]
    move: Move | None = None


def decide_now(source: Source, name: str) -> Decided:
    """Read an experiment at its last planned look that has come, decide, and put it on record.

    Raises:
        InputError: as ``read``.
        SurroundingsError: the record cannot be written.
    """
    reading = read(source, name)
    plan = registered(source.workspace, name).plan
    record = record_of(plan, reading)
    path, again = keep(source.workspace, name, DECISION, record)
    return Decided(name, verdicts_of(record["inputs"]), path, record["digest"], again, reading)


def keep(workspace: Workspace, name: str, kind: str, record: Mapping[str, Any]) -> tuple[Path, bool]:
    """Put a record where those of its kind are; its path, and whether it was there already.

    Raises:
        SurroundingsError: it cannot be written.
    """
    content = as_bytes(record)
    with registering(workspace):
        there = records(workspace, name, kind)
        known = next((path for path in there if path.read_bytes() == content), None)
        path = known or record_folder(workspace, name) / f"{kind}-{_number(there[-1]) + 1 if there else 1}.json"
        if known is None:
            with replace_file(path) as temporary:
                temporary.write_bytes(content)
    return path, known is not None


def record_of(plan: Plan, reading: Reading, gate: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The record of a decision: inputs, their digest, and the verdicts that follow from them alone.

    Args:
        plan: of the experiment.
        reading: of a planned look; with a gate one of any time.
        gate: where it stands and what its step has seen, from which its move follows.
    """
    taken = [date.fromisoformat(day) for day in reading.taken]
    look = (
        _plain_look(width_at(plan, taken, reading.gathered))
        if gate is None
        else {"tunings": {one.name: plan.limit(one) for one in plan.metrics}}
    )
    inputs = plain_values(
        {
            "plan": plain(plan),
            "registered": {"version": reading.version, "digest": reading.digest, "late": reading.late},
            "day": reading.day,
            "look": look,
            "quality": [{"name": one.name, "passed": one.passed, "text": one.text} for one in reading.checks],
            "users": reading.users,
            "effects": [_plain_effect(one) for one in reading.effects],
            "data": reading.data,
            "rereads": reading.rereads,
            **({} if gate is None else {"gate": gate}),
        }
    )
    return _complete(reading.name, inputs)


def replay(path: Path) -> Replayed:
    """Decide again from a record alone.

    Raises:
        InputError: it is no record of a decision.
        SurroundingsError: it cannot be read.
    """
    try:
        content = path.read_bytes() if path.is_file() and path.stat().st_size <= MAX_RECORD_BYTES else None
    except OSError as error:
        raise SurroundingsError(f"cannot read {path}: {error}; check the disk and the file's permissions") from error
    if content is None:
        raise InputError(f"{path} is no record of a decision; expected experiments/NAME/decision-N.json")
    try:
        there = json.loads(content)
        made = _complete(there["experiment"], there["inputs"])
        verdicts = verdicts_of(there["inputs"])
        found = move_of(there["inputs"])
        day = str(there["inputs"]["day"])
        broken = _contradictions(there["inputs"])
        same = as_bytes(made) == content and not broken
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise InputError(
            f"{path} is no record of a decision ({type(error).__name__}: {error}); expected experiments/NAME/decision-N.json as"
            " `artwork experiment decide` wrote it"
        ) from error
    differs = (*(key for key in sorted(made.keys() | there.keys()) if made.get(key) != there.get(key)), *broken)
    return Replayed(path, made["experiment"], day, verdicts, same, differs or (() if same else ("layout",)), found)


def _contradictions(inputs: Mapping[str, Any]) -> list[str]:
    """Inputs that do not fit each other: whoever changed one and wrote a new digest forgot what else says it."""
    broken = []
    if digest_of(inputs["plan"]) != inputs["registered"]["digest"]:
        broken.append("the plan and its registered digest")
    planned = {one["name"]: one for one in inputs["plan"]["metrics"]}
    for one in inputs["effects"]:
        own = planned.get(one["metric"], {})
        if any(one[key] != (own.get(key) or 0.0 if key == "margin" else own.get(key)) for key in _OF_PLAN):
            broken.append(f"{one['metric']} in effects and in the plan")
        if one["effect"] is not None and not _is_of_itself(_effect(one["effect"])):
            broken.append(f"value, standard_error and p_value of {one['metric']}")
    return broken


def _is_of_itself(effect: Effect) -> bool:
    again = effect_of(effect.value, effect.standard_error, effect.degrees, effect.level, effect.users)
    return isclose(again.p_value, effect.p_value, rel_tol=1e-9, abs_tol=1e-300)


def records(workspace: Workspace, name: str, kind: str = DECISION) -> list[Path]:
    """The records of an experiment's decisions, or those of its gate, the oldest first."""
    paths = record_folder(workspace, name).glob(f"{kind}-*.json")
    return sorted((path for path in paths if path.stem.removeprefix(f"{kind}-").isdecimal()), key=_number)


def as_bytes(record: Mapping[str, Any]) -> bytes:
    """A record as its file holds it."""
    return (json.dumps(record, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def plain_values(value: Any) -> Any:
    """What JSON can hold: numbers that are not finite are null."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _complete(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    found = move_of(inputs)
    return {
        "format": FORMAT,
        "experiment": name,
        "inputs": inputs,
        "verdicts": [asdict(verdict) | {"reasons": list(verdict.reasons)} for verdict in verdicts_of(inputs)],
        "digest": digest_of(inputs),
        **({} if found is None else {"move": asdict(found) | {"reasons": list(found.reasons)}}),
    }


def _plain_effect(one: MetricEffect) -> dict[str, Any]:
    metric = one.metric
    effect = None if one.effect is None else asdict(one.effect)
    return {
        "metric": metric.name,
        "role": metric.role,
        "direction": metric.direction,
        "margin": metric.margin or 0.0,
        "treatment": one.treatment,
        "values": one.values,
        "effect": effect,
        "problem": one.problem,
    }


def verdicts_of(inputs: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """The verdict on each treatment, from the inputs alone."""
    treatments = [arm["name"] for arm in inputs["plan"]["variants"][1:]]
    return tuple(_verdict(name, inputs, len(treatments)) for name in treatments)


def _verdict(treatment: str, inputs: Mapping[str, Any], treatments: int) -> Verdict:
    plan = inputs["plan"]
    quality = [
        QualityCheck(one["name"], one["passed"], one["text"]) for one in inputs["quality"] if one["passed"] is not None
    ]
    own = [one for one in inputs["effects"] if one["treatment"] == treatment]
    unread = [
        f"{one['metric']}: {one['problem']}"
        for one in own
        if one["effect"] is None and one["role"] in {PRIMARY, GUARDRAIL}
    ]
    if failed := [f"quality: {one.name} failed: {one.text}" for one in quality if not one.passed]:
        return Verdict(treatment, _INVALID, tuple(failed))
    if unread:
        return Verdict(treatment, _INVALID, tuple(unread))
    metrics = _metrics(own)
    # With several treatments each is held to its part of the error, so that all of them together keep the level.
    level = 1 - (1 - plan["level"]) / treatments
    decision: Decision = decide(metrics, quality, plan["smallest_effect"], level, _look(inputs["look"]))
    return Verdict(
        treatment, decision.verdict, (*decision.reasons, *_cautions(inputs["registered"], inputs["rereads"]))
    )


def _metrics(effects: Iterable[Mapping[str, Any]]) -> list[Metric]:
    return [
        Metric(one["metric"], _effect(one["effect"]), one["role"], one["direction"], one["margin"])
        for one in effects
        if one["effect"] is not None
    ]


def move_of(inputs: Mapping[str, Any]) -> Move | None:
    """What a gate does with the share, from the inputs alone; None of a decision without a gate."""
    if "gate" not in inputs:
        return None
    stands, plan, verdict = inputs["gate"], inputs["plan"], verdicts_of(inputs)[0]
    gate, metrics = plan["gate"], _metrics(inputs["effects"])
    share = f"{100 * gate['shares'][stands['step']]:g} %"
    waits = [
        f"the step of {share} has seen {stands[what]:,} {told}, and needs {gate[what]:,}"
        for what, told in (("nights", "days"), ("users", "users of the treatment"))
        if stands[what] < gate[what]
    ]
    decision = Decision(verdict.verdict, verdict.reasons)  # type: ignore[arg-type]
    return move(
        gate["shares"], stands["step"], decision, metrics, plan["smallest_effect"], waits, is_over=stands["is_over"]
    )


def _cautions(registered_as: Mapping[str, Any], rereads: int) -> list[str]:
    """What the registration, and readings before this one, take away from a verdict."""
    made = []
    if rereads:
        made.append(
            f"caution: this look was read {rereads} times before on other data: whoever waits for a verdict gets one"
        )
    if registered_as["late"]:
        made.append("caution: the plan was registered after days of it had been seen: the verdict is exploratory")
    if registered_as["version"] > 1:
        made.append(f"caution: the plan was changed after the start, and is version {registered_as['version']}")
    return made


def _look(plain_look: Mapping[str, Any]) -> Looks:
    if "tunings" in plain_look:
        return {name: AnyError(tuning) for name, tuning in plain_look["tunings"].items()}
    if not plain_look:
        return OneLook()
    return PlannedLook(tuple(plain_look["information"]), plain_look["spending"], tuple(plain_look.get("gathered", ())))


def _plain_look(look: LookKind) -> dict[str, Any]:
    """A look as a record has it; without what tables without days and records of before do not have."""
    content = asdict(look)
    return content if content.get("gathered") else {key: content[key] for key in content if key != "gathered"}


def _effect(values: Mapping[str, Any]) -> Effect:
    known = {item.name for item in fields(Effect)}
    kept = {key: value for key, value in values.items() if key in known}
    relative = None if kept.get("relative") is None else _effect(kept["relative"])
    degrees = inf if kept["degrees"] is None else kept["degrees"]
    return Effect(**kept | {"relative": relative, "degrees": degrees, "users": tuple(kept["users"])})


def verdict_line(verdicts: Sequence[Verdict]) -> str:
    """All verdicts in one line."""
    if len(verdicts) == 1:
        return verdicts[0].verdict
    return ", ".join(f"{one.treatment}: {one.verdict}" for one in verdicts)


def reasons_of(verdicts: Iterable[Verdict]) -> list[str]:
    """Every reason, with its treatment where there are several."""
    listed = list(verdicts)
    return [reason if len(listed) == 1 else f"{one.treatment}: {reason}" for one in listed for reason in one.reasons]
