"""What ``artwork experiment`` says of plans: written, registered, assigned, checked, ended and listed."""

from dataclasses import dataclass
from pathlib import Path

from artwork.console.tables import Sheet, printed
from batch.experiments.gated.standing import Standing
from batch.experiments.listing import Listed
from batch.experiments.plans.plan import PICKS, WORKSPACE
from batch.experiments.quality import QualityCheck
from batch.experiments.register import Registered


@dataclass(frozen=True)
class Drafted:
    """A plan that was written to be edited, and which variant the others are held against."""

    name: str
    path: Path
    control: str
    interleaving: bool = False


@dataclass(frozen=True)
class Started:
    """What was registered; ``run`` is the command that makes generations of its variants, where they choose artworks."""

    name: str
    version: int
    digest: str
    late: bool
    changes: tuple[str, ...]
    start: str
    end: str
    looks: tuple[str, ...]
    run: str | None


@dataclass(frozen=True)
class Checked:
    """The quality of an experiment's data so far."""

    name: str
    day: str
    passed: bool
    checks: tuple[QualityCheck, ...]


@dataclass(frozen=True)
class Stopped:
    """An experiment that was ended."""

    name: str
    stopped_at: str
    reason: str


@dataclass(frozen=True)
class AssignedUser:
    """A user, and the variant that they have; None for those who are not in the experiment."""

    user_id: str
    variant: str | None


def started_of(own: Registered) -> Started:
    """What was registered last of an experiment."""
    plan, version = own.plan, own.version
    is_live = plan.layer == PICKS and plan.source == WORKSPACE
    flag = "--experiment" if plan.gate is None else "--gate"
    run = f"artwork run {flag} {plan.name}" if is_live else None
    looks = tuple(map(str, plan.looks))
    return Started(
        plan.name,
        version.version,
        version.digest,
        version.late,
        version.changes,
        str(plan.start),
        str(plan.end),
        looks,
        run,
    )


def render_drafted(made: Drafted) -> str:
    """Where it lies, and what comes next."""
    following = f"`artwork experiment start {made.name}`"
    if not made.interleaving:
        following = f"`artwork experiment plan {made.name}` and {following}"
    return f"{made.path} is written, with {made.control} as the control, the first of its variants: edit it, then {following}"


def render_started(made: Started) -> str:
    """What was registered, and the command that makes generations of it."""
    lines = [f"experiment {made.name} is registered as version {made.version}, digest {made.digest}"]
    lines += [f"  changed {change}" for change in made.changes]
    lines += ["caution: its first day had been seen; every reading says so"] if made.late else []
    lines.append(f"from {made.start} to {made.end}; looks: {', '.join(made.looks)}")
    if made.run:
        lines.append(f"make its generations until then with: {made.run}")
    return "\n".join(lines)


def render_assigned(made: list[AssignedUser]) -> str:
    """Users with their variants."""
    rows = [(one.user_id, one.variant or "(not in it)") for one in made]
    return printed(Sheet(("user", "variant"), rows))


def render_gated(made: Standing) -> str:
    """Where a gate stands, and why."""
    read = f" on the data until {made.day}" if made.day else ""
    lines = [f"gate of {made.name}: {made.told}{read}", *(f"  {reason}" for reason in made.reasons)]
    return "\n".join(lines if made.record is None else [*lines, f"  the record: {made.record}"])


def render_listed(made: list[Listed]) -> str:
    """One line per experiment."""
    if not made:
        return "no experiments; `artwork experiment new NAME` writes the plan of one"
    rows = [
        (
            one.name,
            one.state,
            str(one.version or "-"),
            one.start,
            one.end,
            one.next_look or "-",
            one.verdict or "-",
            one.gate or "-",
            one.problem,
        )
        for one in made
    ]
    return printed(Sheet(("experiment", "state", "version", "start", "end", "next look", "decided", "gate", ""), rows))
