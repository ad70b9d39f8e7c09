"""What joining made of the events, in words."""

from batch.events.join import Joined


def render_joined(made: Joined) -> str:
    """What became of the events, and where it lies."""
    if not made.events:
        return f"no events in {made.report.parent}; post some to /v1/events and run `artwork ingest`"
    said = (
        f"{made.events:,} events until {made.watermark}: {made.rows:,} impressions of {made.days} days"
        f" ({made.open_rows:,} still open), {made.joined_plays:,} plays joined; {len(made.changed)} days written: {made.report}"
    )
    lines = [said]
    lost = {
        "events that came twice": made.duplicates,
        "impressions too late": made.late_impressions,
        "plays too late": made.late_plays,
        "plays without an impression": made.orphan_plays,
    }
    if any(lost.values()):
        lines.append("not counted: " + ", ".join(f"{count:,} {what}" for what, count in lost.items() if count))
    if made.set_aside:
        lines.append("set aside: " + ", ".join(f"{count:,} {reason}" for reason, count in made.set_aside.items()))
    return "\n".join(lines)
