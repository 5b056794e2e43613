"""The evidence of an AI decision: what was asked, answered, by what, at which price, and what became of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Literal, Protocol

import structlog
from pydantic import BaseModel, ConfigDict, JsonValue

from camunda_workers.ai.explain import Change, Quote


class Subject(BaseModel):
    """What a decision is about, in the engine's keys; all optional, because a task can also be asked outside a process."""

    model_config = ConfigDict(frozen=True)

    business_id: str | None = None
    process_instance_key: int | None = None
    element_instance_key: int | None = None
    job_key: int | None = None


class SeenDocument(BaseModel):
    """A document that a decision could see.

    Attributes:
        is_cut: it was longer than what may be shown; the rest was not seen.
    """

    model_config = ConfigDict(frozen=True)

    document_id: str
    store_id: str
    content_hash: str | None
    name: str
    is_cut: bool = False


class DecisionEvidence(BaseModel):
    """One decision of an AI task. Small on purpose: it travels in the process's variables and in the log.

    Attributes:
        evidence_id: random, names this decision everywhere.
        strategy: the strategy that gave the proposal (or tried last); ``none`` when there was none to ask.
        inputs: the paths of the facts that were shown.
        inputs_hash: SHA-256 of the facts as canonical JSON (sorted keys, no spaces), so that what was shown can be checked against the variables later.
        proposed: the valid answer as it was given, before the policy; ``None`` when there was none.
        decision: ``accepted``, or ``handed_over`` to a person.
        hand_over: code and text of the reason, when handed over.
        fallback_reason: why earlier strategies were passed over.
        citations: what the answer rests on beside the facts, e.g. ids of earlier cases.
        documents: what could be seen beside the facts.
        quotes: passages of these documents that the answer rests on; each is in its document.
        dropped_quotes: how many more were given that are in none of them.
        would_change: facts that would have led to another answer.
        model: as the endpoint names it.
        prompt_version: hash of the task's prompt, whether or not the strategy that answered uses it.
        cost: ``None`` when no price is known.
        tokens_estimated: the endpoint did not report tokens.
        latency_ms: wall time from question to judgement.
    """

    model_config = ConfigDict(frozen=True)

    evidence_id: str
    task: str
    subject: Subject
    decided_at: datetime
    strategy: str
    inputs: tuple[str, ...]
    inputs_hash: str
    proposed: dict[str, JsonValue] | None
    confidence: float | None
    rationale: str
    citations: tuple[str, ...]
    decision: Literal["accepted", "handed_over"]
    hand_over: dict[str, str] | None
    fallback_reason: str | None
    model: str | None
    prompt_version: str
    input_tokens: int
    output_tokens: int
    tokens_estimated: bool
    cost: float | None
    latency_ms: float
    # Decisions of earlier versions do not have these.
    documents: tuple[SeenDocument, ...] = ()
    quotes: tuple[Quote, ...] = ()
    dropped_quotes: int = 0
    would_change: tuple[Change, ...] = ()


class DecisionLog(Protocol):
    """Where evidence goes beside the process variable. An error here fails the job: no decision without its evidence."""

    async def record(self, evidence: DecisionEvidence) -> None:
        """Keep one decision."""
        ...


class StructlogDecisionLog:
    """Writes each decision as one structured log line. The rationale stays out: it is a person's text about a person."""

    async def record(self, evidence: DecisionEvidence) -> None:
        """Log the decision with the stable key ``ai_decision``."""
        line = evidence.model_dump(
            mode="json", exclude={"rationale", "proposed", "inputs", "subject", "quotes", "documents", "would_change"}
        )
        subject = evidence.subject.model_dump(mode="json", exclude_none=True)
        structlog.stdlib.get_logger("camunda_workers.ai").info("AI task decided", action="ai_decision", **line, **subject)


_current: ContextVar[DecisionLog | None] = ContextVar("camunda_workers_decision_log", default=None)


@contextmanager
def decisions_into(log: DecisionLog) -> Generator[None]:
    """Tasks that were given no log of their own record there meanwhile, in this task of asyncio and those that it starts."""
    token = _current.set(log)
    try:
        yield
    finally:
        _current.reset(token)


def current_decision_log() -> DecisionLog:
    """Where evidence goes that nobody has said anything about: where `decisions_into` says, or a structured log line."""
    return _current.get() or StructlogDecisionLog()


def hash_of(facts: Mapping[str, JsonValue]) -> str:
    """SHA-256 of facts in one canonical form."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
