"""A comparison on a log as text."""

from artwork.console.tables import printed
from artwork.reports.live_tables import online_lines, online_sheet
from artwork.reports.log_tables import (
    differences_sheet,
    head_lines,
    overlap_sheet,
    plans_sheet,
    refusal_lines,
    replay_sheet,
    tuned_lines,
    values_sheet,
    verdict_line,
)
from batch.offline.compare import Compared


def render(made: Compared) -> str:
    """What was compared, values, overlap, differences, what the log cannot tell, and what was live."""
    evaluation = made.evaluation
    sheets = [values_sheet(evaluation), overlap_sheet(evaluation), differences_sheet(evaluation)]
    sheets += [replay_sheet(made)] if made.replayed else []
    sheets += [plans_sheet(made)] if made.plans else []
    online = [printed(online_sheet(made.online)), *online_lines(made.online)] if made.online else []
    return "\n".join(
        (
            *head_lines(made),
            *(printed(sheet) for sheet in sheets if sheet.rows),
            *tuned_lines(evaluation),
            *refusal_lines(evaluation),
            verdict_line(evaluation),
            *online,
            f"took {made.seconds:.1f} s",
        )
    )
