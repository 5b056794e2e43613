"""An AI task: who is asked, whose answer stands, what becomes evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, JsonValue
from structlog.testing import capture_logs

from camunda_workers.ai import (
    AiOutput,
    AiTask,
    Declined,
    HandOver,
    Policy,
    Prompt,
    Proposal,
    Question,
    Strategy,
    StructlogDecisionLog,
    Subject,
    Usage,
)
from camunda_workers.ai.evidence import DecisionEvidence, hash_of
from camunda_workers.errors import ConfigurationError

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Choice(AiOutput):
    route: Literal["pay", "ask"]


class Facts(BaseModel):
    amount: int


@dataclass
class Scripted:
    """A strategy that says what it was told to say."""

    answer: Proposal[Choice] | Declined | Exception
    name: str = "scripted"
    delay: float = 0.0
    prices_known: bool = True
    asked: list[Question[Choice]] = field(default_factory=list[Question[Choice]])

    async def propose(self, question: Question[Choice]) -> Proposal[Choice] | Declined:
        self.asked.append(question)
        await asyncio.sleep(self.delay)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Kept:
    records: list[DecisionEvidence] = field(default_factory=list[DecisionEvidence])

    async def record(self, evidence: DecisionEvidence) -> None:
        self.records.append(evidence)


class Fixed:
    def now(self) -> datetime:
        return NOW


def pay(confidence: float = 0.9, usage: Usage | None = None) -> Proposal[Choice]:
    output = Choice(route="pay", confidence=confidence, rationale="Small.", cited_fields=("amount",))
    return Proposal(output, usage or Usage(100, 20, 0.001), "some-model", ("case-1",))


def safe(reason: HandOver, proposal: Choice | None) -> Choice:
    return Choice(route="ask", confidence=proposal.confidence if proposal else 0.0, rationale=f"Person: {reason.text}", cited_fields=())


def cap(facts: Mapping[str, JsonValue], answer: Choice) -> str | None:
    amount = facts["amount"]
    return "more than 1,000" if answer.route == "pay" and isinstance(amount, int) and amount > 1_000 else None


def task(strategies: Sequence[Strategy[Choice]], log: Kept | None = None, *, policy: Policy | None = None) -> AiTask[Choice]:
    return AiTask(
        "pay-or-ask",
        output=Choice,
        prompt=Prompt.of("Pay or ask."),
        policy=policy or Policy(min_confidence=0.7, max_latency=timedelta(seconds=0.2)),
        strategies=strategies,
        safe_output=safe,
        limit=cap,
        log=log or Kept(),
        clock=Fixed(),
    )


async def test_a_sure_answer_stands_and_leaves_whole_evidence() -> None:
    log = Kept()
    decision = await task([Scripted(pay())], log).decide(Facts(amount=5), Subject(business_id="CLM-1", job_key=7))
    assert (decision.output.route, decision.needs_human, decision.hand_over) == ("pay", False, None)
    [evidence] = log.records
    assert evidence == decision.evidence
    assert evidence.model_dump(exclude={"evidence_id", "latency_ms"}) == {
        "task": "pay-or-ask",
        "subject": {"business_id": "CLM-1", "process_instance_key": None, "element_instance_key": None, "job_key": 7},
        "decided_at": NOW,
        "strategy": "scripted",
        "inputs": ("amount",),
        "inputs_hash": hash_of({"amount": 5}),
        "proposed": {"route": "pay", "confidence": 0.9, "rationale": "Small.", "cited_fields": ["amount"]},
        "confidence": 0.9,
        "rationale": "Small.",
        "citations": ("case-1",),
        "decision": "accepted",
        "hand_over": None,
        "fallback_reason": None,
        "model": "some-model",
        "prompt_version": Prompt.of("Pay or ask.").version,
        "input_tokens": 100,
        "output_tokens": 20,
        "tokens_estimated": False,
        "cost": 0.001,
        "documents": (),
        "quotes": (),
        "dropped_quotes": 0,
        "would_change": (),
    }
    assert evidence.latency_ms >= 0


@pytest.mark.parametrize(
    ("answer", "amount", "code"),
    [
        (pay(0.69), 5, "low_confidence"),
        (pay(usage=Usage(5_000, 1, 0.0)), 5, "over_budget"),
        (pay(usage=Usage(5, 1, 2.0)), 5, "over_budget"),
        (pay(usage=Usage(5, 1, None)), 5, "over_budget"),
        (pay(1.0), 5_000, "not_allowed"),
        (Declined("invalid", "no JSON"), 5, "invalid_output"),
        (Declined("refused", "would not"), 5, "refused"),
        (Declined("over_budget", "too long"), 5, "over_budget"),
        (Declined("unavailable", "HTTP 500"), 5, "unavailable"),
    ],
)
async def test_everything_else_goes_to_a_person_with_the_reason(answer: Proposal[Choice] | Declined, amount: int, code: str) -> None:
    log = Kept()
    policy = Policy(min_confidence=0.7, max_tokens=1_000, max_cost=1.0)
    decision = await task([Scripted(answer)], log, policy=policy).decide(Facts(amount=amount))
    assert decision.needs_human
    assert decision.output.route == "ask", "the safe output, never the proposal"
    assert decision.hand_over is not None
    assert decision.hand_over.code == code
    assert decision.output.rationale.startswith("Person: ")
    assert log.records[0].decision == "handed_over"
    assert log.records[0].hand_over == {"code": code, "text": decision.hand_over.text}
    assert decision.proposal == (answer.output if isinstance(answer, Proposal) else None)


async def test_the_next_strategy_is_asked_only_when_the_first_could_not_be() -> None:
    second = Scripted(pay(), name="second")
    decision = await task([Scripted(Declined("unavailable", "HTTP 500"), name="first"), second]).decide(Facts(amount=5))
    assert (decision.evidence.strategy, decision.evidence.fallback_reason) == ("second", "first: HTTP 500")
    assert not decision.needs_human
    for answer in (Declined("invalid", "x"), Declined("refused", "x"), Declined("over_budget", "x"), pay(0.1)):
        unasked = Scripted(pay(), name="second")
        decision = await task([Scripted(answer, name="first"), unasked]).decide(Facts(amount=5))
        assert decision.needs_human
        assert unasked.asked == []


async def test_a_slow_strategy_counts_as_unavailable() -> None:
    decision = await task([Scripted(pay(), delay=30, name="slow"), Scripted(pay(), name="quick")]).decide(Facts(amount=5))
    assert decision.evidence.strategy == "quick"
    assert decision.evidence.fallback_reason == "slow: no answer within 0.2 s"
    alone = await task([Scripted(pay(), delay=30)]).decide(Facts(amount=5))
    assert alone.hand_over is not None
    assert alone.hand_over.code == "unavailable"


async def test_with_no_strategy_a_person_decides() -> None:
    decision = await task([]).decide(Facts(amount=5))
    assert (decision.evidence.strategy, decision.needs_human, decision.output.confidence) == ("none", True, 0.0)


async def test_a_defect_fails_the_job_instead_of_hiding_behind_a_person() -> None:
    for defect in (RuntimeError("bug"), TimeoutError("its own")):
        with pytest.raises(type(defect)):
            await task([Scripted(defect)]).decide(Facts(amount=5))


async def test_no_decision_without_its_evidence() -> None:
    class Full:
        async def record(self, evidence: DecisionEvidence) -> None:
            raise OSError("disk full")

    broken = AiTask(
        "t",
        output=Choice,
        prompt=Prompt.of("p"),
        policy=Policy(min_confidence=0),
        strategies=[Scripted(pay())],
        safe_output=safe,
        log=Full(),
    )
    with pytest.raises(OSError, match="disk full"):
        await broken.decide(Facts(amount=5))


async def test_the_default_log_writes_one_line_with_a_stable_key_and_no_rationale() -> None:
    log = Kept()
    await task([Scripted(pay())], log).decide(Facts(amount=5), Subject(business_id="CLM-1"))
    with capture_logs() as lines:
        await StructlogDecisionLog().record(log.records[0])
    [line] = lines
    assert (line["action"], line["task"], line["business_id"], line["decision"]) == ("ai_decision", "pay-or-ask", "CLM-1", "accepted")
    assert "rationale" not in line


def test_the_hash_does_not_depend_on_order_but_on_every_value() -> None:
    assert hash_of({"a": 1, "b": {"c": "é"}}) == hash_of({"b": {"c": "é"}, "a": 1})
    assert hash_of({"a": 1}) != hash_of({"a": 2})


def test_a_policy_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'scripted' has no price"):
        task([Scripted(pay(), prices_known=False)], policy=Policy(min_confidence=0.5, max_cost=1.0))
    for build in (
        lambda: Policy(min_confidence=1.1),
        lambda: Policy(min_confidence=0.5, max_latency=timedelta(0)),
        lambda: Policy(min_confidence=0.5, max_tokens=0),
        lambda: Policy(min_confidence=0.5, max_cost=-1),
    ):
        with pytest.raises(ConfigurationError):
            build()


def test_a_prompt_has_a_version_and_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "prompt.md"
    with pytest.raises(ConfigurationError, match=r"prompt\.md: the prompt cannot be read"):
        Prompt.read(file)
    file.write_text(" \n")
    with pytest.raises(ConfigurationError, match="empty"):
        Prompt.read(file)
    file.write_text("One.\n")
    assert Prompt.read(file) == Prompt.of("One.")
    assert Prompt.of("One.").version != Prompt.of("One!").version
