"""The page in a case's evidence: for somebody who has never seen this project. One file, nothing is loaded from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final

from camunda_workers.events.chain.checkpoint import Checkpoint
from camunda_workers.events.chain.hashing import to_text
from camunda_workers.events.export.evidence import Evidence, Shown
from camunda_workers.events.record import Record
from camunda_workers.events.story import CaseStory
from camunda_workers.events.story.model import Actor, Step, Tone, Wait

_LANES: Final = (
    ("People", (Actor.PERSON, Actor.OPERATOR)),
    ("Agents", (Actor.AGENT,)),
    ("Services and rules", (Actor.SERVICE, Actor.RULES)),
    ("Process", (Actor.TIMER, Actor.MESSAGE, Actor.ENGINE)),
)
_FACTS: Final = {
    "WORKER_RUN": "Worker run",
    "AI_DECISION": "Decision of an AI task",
    "APPROVAL": "Approval",
    "POLICY_DECISION": "Access decision",
    "FLAG_EXPOSURE": "Experiment",
    "SLA_BREACH": "Deadline missed",
    "RELEASE": "Release",
    "ERASURE": "Erasure",
}
_STYLE: Final = """
:root{--ink:#1d2430;--soft:#5b6472;--line:#dfe3ea;--back:#f6f7f9;--good:#1a7f4b;--bad:#b3261e;--careful:#8a5a00;--accent:#2457c5}
*{box-sizing:border-box}body{margin:0;font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:var(--ink);background:var(--back)}
main{max-width:1180px;margin:0 auto;padding:32px 24px 64px}h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:36px 0 10px}
p{margin:6px 0}.soft{color:var(--soft)}.card{background:#fff;border:1px solid var(--line);border-radius:10px;padding:16px 20px}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:12px;margin:18px 0}
.facts div{background:#fff;border:1px solid var(--line);border-radius:10px;padding:10px 14px}
.facts b{display:block;font-size:12px;font-weight:600;color:var(--soft)}.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;background:#fff;border:1px solid var(--line);border-radius:10px}
th{font-size:12px;text-align:left;color:var(--soft);font-weight:600}th,td{padding:8px 10px;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}
td.time{white-space:nowrap;color:var(--soft);font-variant-numeric:tabular-nums}.step b{font-weight:600}
.step small{display:block;color:var(--soft);overflow-wrap:anywhere}
.good{color:var(--good)}.bad{color:var(--bad)}.careful{color:var(--careful)}.lane{width:22%}
.day td{background:var(--back);font-weight:600;font-size:13px}
code,pre{font:12.5px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:8px 0;background:var(--back);padding:10px;border-radius:8px}
code{overflow-wrap:anywhere}summary{cursor:pointer;color:var(--accent)}ol{padding-left:20px;margin:6px 0}
@media(max-width:720px){main{padding:20px 14px}table.lanes thead{display:none}table.lanes tr,table.lanes td{display:block;border:0;padding:2px 10px}
table.lanes td:empty{display:none}table.lanes tr{border-bottom:1px solid var(--line);padding:8px 0}.lane{width:auto}}
@media print{body{background:#fff}details[open] summary{display:none}}
"""


def render_page(story: CaseStory, evidence: Evidence, checkpoint: Checkpoint, public_key: str) -> str:
    """The page."""
    case = escape(story.business_id)
    return "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Evidence of the case {case}</title><style>{_STYLE}</style></head><body><main>",
            f"<h1>Case {case}</h1>",
            f'<p class="soft">What happened, who did it and what they were shown; told on {_moment(story.told_at)} from {len(evidence.records)} '
            "records of an append-only log. All times are UTC.</p>",
            _summary(story),
            _waits(story.waits),
            "<h2>What happened</h2>",
            _timeline(story),
            _shown(evidence.shown),
            _facts(evidence.facts),
            _proof(story, evidence, checkpoint, public_key),
            "</main></body></html>\n",
        )
    )


def _summary(story: CaseStory) -> str:
    processes = ", ".join(dict.fromkeys(f"{one.process} (version {one.version})" for one in story.instances))
    told = (
        ("State", story.state),
        ("Started", _moment(story.started)),
        ("Ended", _moment(story.ended) if story.ended is not None else "not yet"),
        ("Took" if story.ended is not None else "Open for", _duration(story.duration)),
        ("Process", processes),
    )
    return '<div class="facts">' + "".join(f"<div><b>{name}</b>{escape(value)}</div>" for name, value in told) + "</div>"


def _waits(waits: Iterable[Wait]) -> str:
    rows = "".join(
        f"<li><b>{escape(wait.element)}</b>: {escape(wait.what)}{f', {escape(wait.who)}' if wait.who else ''}; since {_moment(wait.since)}"
        f"{f', due {_moment(wait.due)}' if wait.due is not None else ''}</li>"
        for wait in waits
    )
    return f'<h2>What it waits for</h2><div class="card"><ol>{rows}</ol></div>' if rows else ""


def _timeline(story: CaseStory) -> str:
    rows: list[str] = []
    day = ""
    for step in story.steps:
        if (today := f"{step.time.astimezone(UTC):%A, %d %B %Y}") != day:
            day = today
            rows.append(f'<tr class="day"><td colspan="{len(_LANES) + 1}">{day}</td></tr>')
        cells = "".join(f"<td class=lane>{_step(step) if step.actor in actors else ''}</td>" for _, actors in _LANES)
        rows.append(f'<tr><td class="time">{step.time.astimezone(UTC):%H:%M:%S}</td>{cells}</tr>')
    heads = "".join(f'<th class="lane">{name}</th>' for name, _ in _LANES)
    return (
        f'<div class="wide"><table class="lanes"><thead><tr><th>Time</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _step(step: Step) -> str:
    tone = {Tone.GOOD: "good", Tone.BAD: "bad", Tone.CAREFUL: "careful"}.get(step.tone, "")
    by = "by " if step.actor in (Actor.PERSON, Actor.OPERATOR) else ""
    who = f"<small>{by}{escape(step.who)}</small>" if step.who else ""
    took = f"<small>after {_duration(step.took)}</small>" if step.took is not None and step.took >= timedelta(seconds=1) else ""
    details = "".join(f"<small>{escape(detail)}</small>" for detail in step.details)
    return f'<div class="step"><b>{escape(step.element)}</b> <span class="{tone}">{escape(step.what)}</span>{who}{took}{details}</div>'


def _shown(shown: Iterable[Shown]) -> str:
    rows = "".join(
        f'<tr><td class="time">{_moment(one.time)}</td><td>{escape(one.element_id)}<br><span class="soft">{one.moment}'
        f"{f' by {escape(one.who)}' if one.who else ''}</span></td><td>{escape(one.form or 'no form')}</td>"
        f"<td><details><summary>{len(one.data)} values</summary><pre>{escape(json.dumps(dict(one.data), indent=1, ensure_ascii=False))}</pre></details>"
        f"<code>{one.sha256}</code></td></tr>"
        for one in shown
    )
    if not rows:
        return ""
    return (
        '<h2>What people were shown</h2><p class="soft">The variables each task could see, and their SHA-256 (names sorted, no spaces).</p>'
        f'<div class="wide"><table><thead><tr><th>When</th><th>Task</th><th>Form and version</th><th>Data</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _facts(facts: Iterable[Record]) -> str:
    rows = "".join(
        f'<tr><td class="time">{_moment(fact.time)}</td><td>{_FACTS.get(fact.value_type, escape(fact.value_type))}</td>'
        f"<td><pre>{escape(json.dumps(dict(fact.value), indent=1, ensure_ascii=False))}</pre></td></tr>"
        for fact in facts
    )
    if not rows:
        return ""
    return (
        '<h2>Decisions and approvals</h2><div class="wide"><table><thead><tr><th>When</th><th>What</th><th>Details</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _proof(story: CaseStory, evidence: Evidence, checkpoint: Checkpoint, public_key: str) -> str:
    return (
        '<h2>How this can be checked</h2><div class="card">'
        f"<p>Each of the {len(evidence.seqs)} records in <code>records.jsonl</code> comes with a proof (RFC 6962) that it is one of the {checkpoint.size} "
        f"records of the log <code>{escape(checkpoint.origin)}</code>, whose root <code>{to_text(checkpoint.root)}</code> was signed with its key"
        f"{f' on {_moment(checkpoint.time)}' if checkpoint.time is not None else ''}. Every file here, this page included, is listed with its SHA-256 "
        "in <code>bundle.txt</code>, signed with the same key. Contents that were erased on request are missing; the records they were in are not.</p>"
        f"<ol><li>Ask whoever runs the log for its public key. It should be:<br><code>{escape(public_key)}</code></li>"
        "<li>Take <code>verify.py</code> out of the zip; it needs Python and nothing else.</li>"
        "<li>Run <code>python verify.py FILE.zip 'PUBLIC KEY'</code>. It says what is good, or what is wrong.</li></ol>"
        f'<p class="soft">Process instances: {escape(", ".join(str(one.key) for one in story.instances))}.</p></div>'
    )


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%d %b %Y %H:%M:%S}"


def _duration(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    if seconds < 1:
        return "less than a second"
    parts = ((seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join([f"{count} {unit}" for count, unit in parts if count][:2])
