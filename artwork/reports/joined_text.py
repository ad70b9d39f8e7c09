"""What joining made of the events, in words."""

from batch.events.join import Joined


def render_joined(made: Joined) -> str:
    """Rows, plays, and whatever is not learned from, with its reason."""
    changed = f" ({len(made.changed)} of them changed)" if made.changed else ""
    plays = f"{made.joined_plays:,} plays belong to them"
    lines = [f"{made.rows:,} impressions of {made.days} days{changed} come from {made.events:,} events; {plays}"]
    if made.open_rows:
        lines.append(f"{made.open_rows:,} impressions may still get a play (--open-rows says what becomes of them)")
    if made.duplicates:
        lines.append(f"{made.duplicates:,} events came again and count once")
    if made.orphan_plays:
        lines.append(f"{made.orphan_plays:,} plays belong to no impression")
    if late := made.late_impressions + made.late_plays:
        lines.append(f"{late:,} events came after the horizon and count for nothing")
    if made.set_aside:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in made.set_aside.items())
        lines.append(f"{sum(made.set_aside.values()):,} impressions are set aside: {reasons}; see {made.report}")
    return "\n".join(lines)
