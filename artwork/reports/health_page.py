"""The health of a workspace as lines of a terminal, and as one page that needs no script."""

from html import escape
from typing import Any

from artwork.reports.health_findings import Finding
from artwork.reports.health_words import Health, Section
from artwork.reports.pages import page, verdict

_NAMES = {"fine": "", "look": "look at it", "alarm": "ALARM", "not known": "not known"}

_STYLE = """<style>
body { max-width: 52rem }
dl { margin: 0 } dt { margin-top: .9rem; font-weight: 600 } dd { margin: 0; overflow-wrap: anywhere }
dt .state { margin-left: .5rem; color: var(--text-quiet); font-weight: 400 }
dt.look .state, dt.alarm .state { color: var(--bad); font-weight: 640 }
.verdict { overflow-wrap: anywhere } code { overflow-wrap: anywhere; white-space: normal }
</style>"""


def render_health(made: Health) -> str:
    """The report for a terminal: the sentence first."""
    lines = [made.sentence]
    if made.needs_you:
        lines += ["", "needs you", *(f"  {_line(finding)}" for finding in made.needs_you)]
    for section in made.sections:
        lines += ["", section.title.lower(), *(f"  {_line(finding)}" for finding in section.findings)]
    return "\n".join(lines)


def _line(finding: Finding) -> str:
    state = f" [{_NAMES[finding.state]}]" if finding.state in {"look", "alarm"} else ""
    command = f"; run `{finding.command}`" if finding.command else ""
    return f"{finding.name}{state}: {_detail(finding)}{command}"


def _detail(finding: Finding) -> str:
    since = f", since {finding.since}" if finding.since else ""
    lost = f" (about {finding.lost:,.0f} takes a day)" if finding.lost >= 0.5 else ""
    return f"{finding.text}{since}{lost}"


def told_health(made: Health, again: str) -> dict[str, Any]:
    """The report for a page that draws it itself: texts as they are read, without any markup."""
    return {
        "sentence": made.sentence,
        "is_healthy": made.is_healthy,
        "day": made.day,
        "scope": _scope(made),
        "sections": [_told(section) for section in _sections(made)],
        "again": again,
    }


def _told(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "findings": [
            {
                "name": finding.name,
                "state": finding.state,
                "label": _NAMES[finding.state],
                "text": _detail(finding),
                "command": finding.command,
            }
            for finding in section.findings
        ],
    }


def _sections(made: Health) -> list[Section]:
    """What needs somebody first, then all that has anything to say."""
    needs = Section("Needs you", made.needs_you)
    return [section for section in (needs, *made.sections) if section.findings]


def rendered_health(made: Health, again: str) -> str:
    """The whole page; ``again`` is the command that makes the same."""
    parts = [
        _STYLE,
        f"<h1>{escape(made.day or 'No day')}</h1>",
        verdict(made.sentence, missed=not made.is_healthy),
        f"<p>{escape(_scope(made))}</p>",
    ]
    parts += [_html(section) for section in _sections(made)]
    parts.append(f"<p>To repeat it: <code>{escape(again)}</code></p>")
    return page("artwork report", parts)


def _scope(made: Health) -> str:
    figures, drift = made.figures, made.figures.drift
    watched = (
        f"watched from {drift.first_day} to {drift.last_day} beside the model of generation {drift.frozen}"
        if drift.nights
        else f"nothing is watched: {drift.why}"
    )
    return f"Workspace {figures.workspace}, made at {figures.made_at}; {watched}."


def _html(section: Section) -> str:
    lines = "".join(map(_item, section.findings))
    return f"<h2>{escape(section.title)}</h2><dl>{lines}</dl>"


def _item(finding: Finding) -> str:
    name = f'<dt class="{finding.state.replace(" ", "-")}">{escape(finding.name)}'
    name += f'<span class="state">{_NAMES[finding.state]}</span></dt>'
    command = f" <code>{escape(finding.command)}</code>" if finding.command else ""
    return f"{name}<dd>{escape(_detail(finding))}{command}</dd>"
