"""Steps that the engine does not know of: our own facts."""

from __future__ import annotations

from camunda_workers.events.record import Record
from camunda_workers.events.story.model import Actor, Tone
from camunda_workers.events.story.telling import Telling
from camunda_workers.events.story.words import cut


def fact(telling: Telling, record: Record) -> None:
    """A decision, an approval, a missed deadline; what only counts (a worker's run, an exposure to an experiment) is left out."""
    value = record.value
    said = {
        name: str(value[name])
        for name in ("by", "outcome", "decision", "strategy", "model", "policy", "action", "reason")
        if value.get(name)
    }
    reason = cut(said["reason"], 300) if "reason" in said else ""
    outcome = said.get("outcome") or said.get("decision") or ""
    match record.value_type:
        case "AI_DECISION" if record.key > 0 and outcome == "accepted":
            pass  # the job's own step says what was decided, and why
        case "AI_DECISION":
            sure = value.get("confidence")
            why = str(value.get("handOverCode") or "").replace("_", " ")
            details = (
                f"model {said['model']}" if "model" in said else "",
                f"{sure:.0%} sure" if isinstance(sure, float) else "",
                why,
                reason,
            )
            telling.tell(
                record, Actor.AGENT, said.get("strategy"), f"decided: {outcome.replace('_', ' ') or 'recorded'}", Tone.PLAIN, *details
            )
        case "APPROVAL":
            tone = Tone.GOOD if outcome.startswith("approve") else Tone.CAREFUL
            telling.tell(record, Actor.PERSON, said.get("by"), f"approval: {outcome or record.intent.lower()}", tone, reason)
        case "POLICY_DECISION" if record.intent == "VIOLATED":
            telling.tell(record, Actor.RULES, said.get("policy"), "found: a task was completed against the rules", Tone.BAD, reason)
        case "POLICY_DECISION":
            tone = Tone.BAD if outcome in {"deny", "denied"} else Tone.PLAIN
            what = f"access {outcome or 'decided'}" + (f" to {said['action']}" if "action" in said else "")
            telling.tell(record, Actor.RULES, said.get("policy"), what, tone, reason)
        case "SLA_BREACH":
            telling.tell(record, Actor.TIMER, None, "deadline missed", Tone.BAD, reason)
        case _:
            pass
