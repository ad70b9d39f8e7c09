"""What was registered of an experiment and when: versions of its plan, the looks that were made, and its end."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from pydantic import TypeAdapter, ValidationError

from bandit.errors import InputError, SurroundingsError
from bandit.experiments.spending import spent_by
from batch.experiments.assignment import overlap_of
from batch.experiments.gated.shipped import read_shipped
from batch.experiments.plans.file import read_plan, record_folder
from batch.experiments.plans.plan import PICKS, WORKSPACE, Plan, differences, digest_of, information, plain
from batch.workspace.files import write_json
from batch.workspace.impressions import days
from batch.workspace.lock import opened_lock
from batch.workspace.workspace import Workspace

NEW: Final = "not started"
RUNNING: Final = "running"
STOPPED: Final = "stopped"
_MUCH_MORE: Final = 1.02
"""Times the false alarms that the level stands for, from which a caution tells of more."""


@dataclass(frozen=True)
class Version:
    """A plan as it was registered.

    ``late`` says that its first day or a new look had been seen by then, ``changes`` what is new in it.
    """

    version: int
    digest: str
    registered_at: str
    late: bool
    changes: tuple[str, ...]
    plan: dict[str, Any]


@dataclass(frozen=True)
class Look:
    """A reading at a planned look, and the digest of the data that it was made of."""

    day: str
    version: int
    data: str
    read_at: str


@dataclass(frozen=True)
class Register:
    """Everything that was registered of an experiment; without versions it has not started."""

    versions: tuple[Version, ...] = ()
    looks: tuple[Look, ...] = ()
    stopped_at: str | None = None
    stopped_for: str = ""

    @property
    def state(self) -> str:
        """Whether it has started, runs, or was stopped."""
        return NEW if not self.versions else RUNNING if self.stopped_at is None else STOPPED

    @property
    def shares(self) -> list[dict[str, float]]:
        """The shares of the variants in each version, from the first on."""
        return [{arm["name"]: arm["share"] for arm in version.plan["variants"]} for version in self.versions]

    def with_look(self, look: Look) -> Self:
        """The register after a reading; one of the same look and data says nothing new."""
        known = {(one.day, one.version, one.data) for one in self.looks}
        return self if (look.day, look.version, look.data) in known else replace(self, looks=(*self.looks, look))


@dataclass(frozen=True)
class Registered:
    """An experiment: its plan as registered last, and its register."""

    plan: Plan
    register: Register

    @property
    def version(self) -> Version:
        """The one that holds."""
        return self.register.versions[-1]


_ADAPTER = TypeAdapter(Register)


def plan_cautions(own: Registered) -> list[str]:
    """What the registration of a plan takes away from its readings."""
    made = []
    if own.version.late:
        made.append("the plan was registered after days of it had been seen: what it says is exploratory")
    if len(own.register.versions) > 1:
        made.append(
            f"the plan was changed after the start, {len(own.register.versions) - 1} times; what changed is listed"
        )
    if (most := false_alarms(own)) > _MUCH_MORE * (1 - own.plan.level):
        made.append(
            f"looks were read by wider leave of earlier versions of the plan: false alarms over all looks are up to {most:.1%},"
            f" and not {1 - own.plan.level:.1%}"
        )
    return made


def false_alarms(own: Registered) -> float:
    """The most false alarms over all looks, of those that were read by the bounds of their version and those to come by the last.

    It is above 1 - level where a version that was changed let looks spend more than the last one leaves to them, as an end does
    that is moved on after it was read.
    """
    versions = own.register.versions
    total, before = 0.0, None
    for day in sorted({look.day for look in own.register.looks}):
        read_under = {look.version for look in own.register.looks if look.day == day}
        total += max(_spent(versions[one - 1], day) - _spent(versions[one - 1], before) for one in read_under)
        before = day
    return total + 1 - own.plan.level - _spent(own.version, before)


def _spent(version: Version, day: str | None) -> float:
    """Of false alarms, by the end of a day as a version of the plan has it."""
    plan = version.plan
    if day is None:
        return 0.0
    start, end = (date.fromisoformat(plan[key]) for key in ("start", "end"))
    share = min(information(start, end, date.fromisoformat(day), plan["window"]), 1.0)
    return float(spent_by(np.array([share]), plan["level"], plan["spending"])[0]) if share > 0 else 0.0


def register_path(workspace: Workspace, name: str) -> Path:
    """Where the register of an experiment lies."""
    return record_folder(workspace, name) / "register.json"


def read_register(workspace: Workspace, name: str) -> Register:
    """The register of an experiment; an empty one where it has not started.

    Raises:
        InputError: it was changed: a version is not that of its digest.
        SurroundingsError: it cannot be read.
    """
    path = register_path(workspace, name)
    if not path.exists():
        return Register()
    try:
        register = _ADAPTER.validate_json(path.read_bytes(), extra="forbid")
    except OSError as error:
        raise SurroundingsError(f"cannot read {path}: {error}; check the disk and the file's permissions") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(f"{path} is no register ({first['loc']}: {first['msg']}); restore it from a copy") from error
    for place, version in enumerate(register.versions, start=1):
        if version.version != place or digest_of(version.plan) != version.digest:
            raise InputError(f"{path}: version {place} is not what its digest says; restore it from a copy")
    return register


@contextmanager
def registering(workspace: Workspace) -> Iterator[None]:
    """Let nobody else register, stop or put on record meanwhile."""
    with opened_lock(workspace.experiments / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_register(workspace: Workspace, name: str, register: Register) -> None:
    """Write the register of an experiment."""
    write_json(register_path(workspace, name), asdict(register))


def registered(workspace: Workspace, name: str) -> Registered:
    """An experiment that has started and whose file is as registered.

    Raises:
        InputError: it has not started, or its file was changed since; names what differs.
    """
    plan, register = read_plan(workspace, name), read_register(workspace, name)
    if not register.versions:
        raise InputError(
            f"experiment {name} has not started; `artwork experiment start {name}` registers its plan first"
        )
    last = register.versions[-1]
    if plan.digest != last.digest:
        changed = "; ".join(differences(last.plan, plain(plan)))
        raise InputError(
            f"the plan of {name} changed since it was registered as version {last.version}: {changed}; undo that, or"
            f" `artwork experiment start {name}` registers version {last.version + 1}, which every reading shows"
        )
    return Registered(plan, register)


def start(workspace: Workspace, name: str, *, late: bool, today: date) -> Registered:
    """Register a plan as it is in its file: the first version, or the next where it has changed.

    Args:
        workspace: of the experiment.
        name: of the experiment.
        late: register it though its first day has been seen, which every reading shows.
        today: the day.

    Raises:
        InputError: it is stopped, registered like that already, starts on a day that was seen, or its slice of the layer is
            taken by an experiment that runs.
    """
    read_plan(workspace, name)  # before a folder is made for nothing
    with registering(workspace):
        return _start(workspace, name, late=late, today=today)


def _start(workspace: Workspace, name: str, *, late: bool, today: date) -> Registered:
    plan, register = read_plan(workspace, name), read_register(workspace, name)
    if register.state == STOPPED:
        raise InputError(f"experiment {name} was stopped; a new one needs another name")
    before = register.versions[-1].plan if register.versions else None
    if before is not None and register.versions[-1].digest == plan.digest:
        raise InputError(
            f"experiment {name} runs as version {len(register.versions)} already, and its file says the same"
        )
    if before is not None and (before.get("gate") or plan.gate):
        raise InputError(
            f"experiment {name} is gated and runs by what was registered: {'; '.join(differences(before, plain(plan)))}; undo"
            f" that, or `artwork experiment stop {name}` and register another one"
        )
    if plan.gate is not None:
        _refuse_another_control(workspace, plan)
    seen = last_seen(workspace, plan, today)
    known = {before["start"], *before["looks"]} if before else set()
    past = [day for day in (plan.start, *plan.looks) if seen is not None and day <= seen and str(day) not in known]
    if past and not late:
        what = "starts on" if past[0] == plan.start else "now has a look on"
        raise InputError(
            f"experiment {name} {what} {past[0]}, which is past: {_why_past(plan, seen)}; give it a later"
            f" {'start' if past[0] == plan.start else 'look'}, or register it with --late, which every reading shows"
        )
    _refuse_taken(workspace, plan)
    version = Version(
        len(register.versions) + 1,
        plan.digest,
        datetime.now(UTC).isoformat(timespec="seconds"),
        bool(past) or any(one.late for one in register.versions),
        tuple(differences(before, plain(plan))) if before else (),
        plain(plan),
    )
    new = replace(register, versions=(*register.versions, version))
    write_register(workspace, name, new)
    return Registered(plan, new)


def stop(workspace: Workspace, name: str, reason: str) -> Register:
    """End an experiment, whatever its file says by now: it makes no generations any more, its slice of the layer is free.

    Raises:
        InputError: it has not started, or was stopped.
    """
    if not register_path(workspace, name).exists():
        read_plan(workspace, name)  # which says so where there is none
        raise InputError(f"experiment {name} is {NEW}; only one that runs can be stopped")
    with registering(workspace):
        register = read_register(workspace, name)
        if register.state != RUNNING:
            raise InputError(f"experiment {name} is {register.state}; only one that runs can be stopped")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        stopped = replace(register, stopped_at=now, stopped_for=reason)
        write_register(workspace, name, stopped)
    return stopped


def running(workspace: Workspace) -> dict[str, Registered]:
    """The experiments that run, by name, as registered last, whatever their files say by now.

    Raises:
        InputError: a register was changed.
    """
    found = {}
    for path in sorted(workspace.experiments.glob("*/register.json")):
        name = path.parent.name
        register = read_register(workspace, name)
        if register.state == RUNNING:
            found[name] = Registered(plan_of(register.versions[-1].plan), register)
    return found


def plan_of(content: Mapping[str, Any]) -> Plan:
    """A plan from its form as JSON."""
    return TypeAdapter(Plan).validate_json(json.dumps(content))


def last_seen(workspace: Workspace, plan: Plan, today: date) -> date | None:
    """The last day that somebody may have looked at: of the log, or where there is none yesterday."""
    logged = days(workspace) if plan.source == WORKSPACE else []
    return logged[-1] if logged else date.fromordinal(today.toordinal() - 1)


def _why_past(plan: Plan, seen: date | None) -> str:
    return f"the log ends with {seen}" if plan.source == WORKSPACE else f"{seen} is over"


def _refuse_another_control(workspace: Workspace, plan: Plan) -> None:
    """Refuse a gate whose control is not what the workspace chooses by: it would change two things at once."""
    shipped, control = read_shipped(workspace), plan.variants[0].live
    if shipped is None or control is None or shipped.is_like(control):
        return
    raise InputError(
        f"the control of {plan.name} is {control.label}, and the policy of this workspace is {shipped.variant.label}, shipped by"
        f" {shipped.experiment}: two changes at once; make {shipped.variant.label} the control"
    )


def _refuse_taken(workspace: Workspace, plan: Plan) -> None:
    for name, other in running(workspace).items():
        if name == plan.name or other.plan.layer != plan.layer or other.plan.source != plan.source:
            continue
        shared = overlap_of(plan.traffic, other.plan.traffic)
        if shared is not None:
            free = "stop it first" if plan.layer == PICKS else "take another slice or layer, or stop it first"
            raise InputError(
                f"experiment {name} runs in the layer {plan.layer} from {shared[0]:g} to {shared[1]:g} of its users, which"
                f" {plan.name} wants too (traffic); {free}"
            )
