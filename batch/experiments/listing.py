"""The experiments of a workspace at a glance, and what generations are made under."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bandit.errors import InputError
from batch.config import Config, Variant
from batch.experiments.deciding import records, replay, verdict_line
from batch.experiments.gated.standing import standing_of
from batch.experiments.plans.file import plan_names, read_plan
from batch.experiments.plans.plan import PICKS, TABLE, Plan
from batch.experiments.register import read_register, registered, running
from batch.workspace.workspace import Workspace


@dataclass(frozen=True)
class Listed:
    """An experiment at a glance; ``gate`` says where its gate stands, ``problem`` what is wrong with its files."""

    name: str
    state: str
    version: int
    start: str
    end: str
    next_look: str | None
    verdict: str | None
    problem: str
    gate: str | None = None


def listed(workspace: Workspace) -> list[Listed]:
    """Every experiment that has a plan, by name; one that cannot be read is listed with what is wrong."""
    return [_listed(workspace, name) for name in plan_names(workspace)]


def _listed(workspace: Workspace, name: str) -> Listed:
    try:
        plan, register = read_plan(workspace, name), read_register(workspace, name)
    except InputError as error:
        return Listed(name, "unreadable", 0, "", "", None, None, str(error))
    read = {look.day for look in register.looks}
    following = next((str(day) for day in plan.looks if str(day) not in read), None)
    has_changed = bool(register.versions) and register.versions[-1].digest != plan.digest
    problem = f"its file differs from version {len(register.versions)}" if has_changed else ""
    decided = records(workspace, name)
    verdict = _verdict(decided[-1]) if decided else None
    gate = _gate(workspace, plan) if plan.gate and register.versions else None
    return Listed(
        name, register.state, len(register.versions), str(plan.start), str(plan.end), following, verdict, problem, gate
    )


def _gate(workspace: Workspace, plan: Plan) -> str:
    try:
        return standing_of(workspace, plan).told
    except InputError:
        return "record cannot be read"


def _verdict(record: Path) -> str:
    try:
        return verdict_line(replay(record).verdicts)
    except InputError:
        return "record cannot be read"


def experiment_config(workspace: Workspace, name: str, shared: Config) -> Config:
    """The configuration of the generations of an experiment: its variants and salt, all else as it is shared.

    Raises:
        InputError: it does not run, its file has changed, or its variants do not choose artworks.
    """
    own = registered(workspace, name)
    if own.register.state != "running":
        raise InputError(f"experiment {name} was stopped; make generations of your own choice without --experiment")
    if own.plan.gate is not None:
        raise InputError(f"experiment {name} is gated: `artwork run --gate {name}` says which share it has now")
    if own.plan.source == TABLE or own.plan.layer != PICKS:
        raise InputError(
            f"experiment {name} is of the layer {own.plan.layer}; only variants of {PICKS} make generations"
        )
    return with_variants(shared, own.plan.config.variants, own.plan.key, own.plan.splits)


def with_variants(
    shared: Config, variants: Sequence[Variant], salt: str = "", splits: tuple[float, ...] = ()
) -> Config:
    """A configuration with other variants, all else as it is shared."""
    return replace(shared, variants=tuple(variants), salt=salt, splits=splits)


def experiments_of(workspace: Workspace, config: Config) -> dict[str, str]:
    """The digests of the plans that a generation is made under, by name.

    These are the plans that run and have its variants, and those of other layers. Where a register cannot be read there are
    none: picks are made all the same, and readings say of such generations that they name no plan.
    """
    try:
        there = running(workspace)
    except InputError:
        return {}
    made = {}
    for name, own in there.items():
        plan = own.plan
        if plan.source == TABLE:
            continue
        if plan.layer != PICKS or _variants_of(plan, plan.config) == _variants_of(plan, config):
            made[name] = own.version.digest
    return made


def _variants_of(plan: Plan, config: Config) -> tuple[object, ...]:
    """What has to agree for a generation to be one of a plan: of the variants without the shares that a gate changes."""
    variants = [variant if plan.gate is None else replace(variant, share=None) for variant in config.variants]
    return variants, config.salt, config.splits
