"""Decisions of AI tasks as facts in the event log, where they are chained, provable, exported and erased like everything else in it."""

from __future__ import annotations

from typing import Any, Final

from camunda_workers.ai.evidence import DecisionEvidence
from camunda_workers.clock import Clock
from camunda_workers.events import EventLog
from camunda_workers.events.facts import Fact, FactKind, Facts

_KEPT: Final = (
    "task", "strategy", "decision", "confidence", "model", "inputs_hash", "prompt_version", "input_tokens", "output_tokens", "tokens_estimated",
    "cost", "latency_ms", "dropped_quotes",
)  # fmt: skip
"""What is kept for ever. What was proposed and why, which is about a person, can be erased."""
_ERASABLE: Final = (
    "proposed", "rationale", "citations", "inputs", "hand_over", "fallback_reason", "documents", "quotes", "would_change",
)  # fmt: skip


class LoggedDecisions:
    """A `DecisionLog` that writes into the event log; a decision counts when it is there.

    Args:
        log: the event log.
        clock: the engine's time, where that is not everybody's; otherwise a decision was made when its evidence says.
        element_id: the element that decisions are made for, where it is known.
    """

    def __init__(self, log: EventLog, *, clock: Clock | None = None, element_id: str | None = None) -> None:
        self._facts = Facts(log)
        self._clock = clock
        self._element_id = element_id

    async def record(self, evidence: DecisionEvidence) -> None:
        """See `DecisionLog.record`.

        Raises:
            ReadModelError: the log cannot be written.
        """
        told = evidence.model_dump(mode="json")
        value: dict[str, Any] = {name: told[name] for name in _KEPT if told[name] is not None}
        if evidence.hand_over is not None:
            value["handOverCode"] = evidence.hand_over["code"]
        subject = evidence.subject
        await self._facts.record(
            Fact(
                FactKind.AI_DECISION,
                value,
                {name: told[name] for name in _ERASABLE if told[name]},
                id=f"ai-decision:{evidence.evidence_id}",
                time=self._clock.now() if self._clock is not None else evidence.decided_at,
                element_id=self._element_id,
                business_id=subject.business_id,
                process_instance_key=subject.process_instance_key,
                key=subject.job_key,
            )
        )
