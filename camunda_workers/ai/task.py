"""An AI task: facts in, a decision with its evidence out, or a person.

::

    facts ─▶ strategy 1 ──unavailable──▶ strategy 2 ─ … ─┐
                 │ proposal                  │ proposal    │ nobody left
                 ▼                           ▼             ▼
              policy + the task's own limits ──no──▶ handed to a person (the safe output)
                 │ yes
                 ▼
              accepted

Only a strategy that could not be *asked* makes room for the next one. An invalid, refused or unsure answer goes to a person: asking around until
somebody is sure would turn the confidence into a search for the most confident.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, assert_never

from pydantic import BaseModel, JsonValue

from camunda_workers.ai.evidence import DecisionEvidence, DecisionLog, SeenDocument, Subject, current_decision_log, hash_of
from camunda_workers.ai.explain import Explanation, sifted
from camunda_workers.ai.output import OutputT, fact_paths
from camunda_workers.ai.papers import Paper
from camunda_workers.ai.policy import HandOver, Policy
from camunda_workers.ai.strategy import Declined, Prompt, Proposal, Question, Strategy, Usage
from camunda_workers.clock import Clock, SystemClock
from camunda_workers.errors import ConfigurationError


@dataclass(frozen=True)
class Decision(Generic[OutputT]):
    """What an AI task decided.

    Attributes:
        output: safe to act upon; when a person is needed it is the task's safe output, never the proposal.
        proposal: the valid answer behind it, to show to the person; ``None`` when there was none.
        hand_over: why a person is needed; ``None`` when the proposal was accepted.
    """

    output: OutputT
    proposal: OutputT | None
    hand_over: HandOver | None
    evidence: DecisionEvidence

    @property
    def needs_human(self) -> bool:
        """Whether a person has to decide."""
        return self.hand_over is not None


Explain = Callable[[Question[OutputT], str, OutputT, HandOver | None], Explanation]
"""What a task computes about a proposal: from the question, the strategy that gave it, the proposal itself, and why it does not stand, if it does not."""


@dataclass(frozen=True)
class _Asked(Generic[OutputT]):
    """How the round of strategies ended."""

    strategy: str
    answer: Proposal[OutputT] | Declined
    passed_over: tuple[str, ...]
    usage: Usage


class AiTask(Generic[OutputT]):
    """One AI task, ready to be asked. Subclass it per task, so that a worker can ask for it by type.

    Args:
        name: the job type, by which it appears in evidence.
        output: the output model.
        prompt: instructions for models.
        policy: limits.
        strategies: in order of preference; the next is asked only when the one before could not be.
        safe_output: what to answer instead when a person is needed, made from the reason and the proposal, if any.
        limit: the task's own last word on a proposal: ``None``, or why it must not stand (a sentence for the person).
        explain: what the task itself can compute about a proposal: what would have changed it, and where documents say what it rests on.
        log: where evidence goes; by default into the event log where the workers run beside one, otherwise into a log line.
        clock: for the evidence's time.

    Raises:
        ConfigurationError: the policy limits the cost, but a strategy does not know its price.
    """

    def __init__(
        self,
        name: str,
        *,
        output: type[OutputT],
        prompt: Prompt,
        policy: Policy,
        strategies: Sequence[Strategy[OutputT]],
        safe_output: Callable[[HandOver, OutputT | None], OutputT],
        limit: Callable[[Mapping[str, JsonValue], OutputT], str | None] | None = None,
        explain: Explain[OutputT] | None = None,
        log: DecisionLog | None = None,
        clock: Clock | None = None,
    ) -> None:
        for strategy in strategies:
            if policy.max_cost is not None and not strategy.prices_known:
                raise ConfigurationError(f"{name}: max_cost is set, but the strategy '{strategy.name}' has no price: give it one")
        self.name = name
        self.policy = policy
        self.prompt = prompt
        self._output = output
        self._strategies = tuple(strategies)
        self._safe_output = safe_output
        self._limit = limit
        self._explain = explain
        self._log = log
        self._clock = clock or SystemClock()

    @property
    def strategies(self) -> tuple[str, ...]:
        """The names of its strategies, in order."""
        return tuple(strategy.name for strategy in self._strategies)

    async def decide(self, facts: BaseModel, subject: Subject | None = None, papers: Sequence[Paper] = ()) -> Decision[OutputT]:
        """Decide from the facts, record the evidence, and say whether a person is needed.

        Args:
            facts: all that strategies may see, and nothing more.
            subject: what the decision is about.
            papers: documents that they may see as well.
        """
        started = time.perf_counter()
        shown = facts.model_dump(mode="json", by_alias=True)
        question = Question(self.name, shown, fact_paths(shown), self._output, self.prompt, self.policy, tuple(papers))
        asked = await self._ask(question)
        answer = asked.answer
        proposal = answer.output if isinstance(answer, Proposal) else None
        told = (
            sifted(proposal, getattr(proposal, "route", None), question.papers, question.paths) if proposal is not None else Explanation()
        )
        hand_over = self._judge(question, asked, told)
        if proposal is not None and self._explain is not None:
            told = told.and_(await asyncio.to_thread(self._explain, question, asked.strategy, proposal, hand_over))
        output = proposal if proposal is not None and hand_over is None else self._safe_output(_required(hand_over), proposal)
        evidence = DecisionEvidence(
            evidence_id=str(uuid.uuid4()),
            task=self.name,
            subject=subject or Subject(),
            decided_at=self._clock.now(),
            strategy=asked.strategy,
            inputs=tuple(sorted(question.paths)),
            inputs_hash=hash_of(shown),
            proposed=proposal.model_dump(mode="json") if proposal is not None else None,
            confidence=proposal.confidence if proposal is not None else None,
            rationale=output.rationale,
            citations=answer.citations if isinstance(answer, Proposal) else (),
            decision="handed_over" if hand_over else "accepted",
            hand_over={"code": hand_over.code, "text": hand_over.text} if hand_over else None,
            fallback_reason="; ".join(asked.passed_over) or None,
            model=answer.model,
            prompt_version=self.prompt.version,
            input_tokens=asked.usage.input_tokens,
            output_tokens=asked.usage.output_tokens,
            tokens_estimated=asked.usage.estimated,
            cost=asked.usage.cost,
            latency_ms=round((time.perf_counter() - started) * 1000, 3),
            documents=tuple(
                SeenDocument(
                    document_id=one.document_id, store_id=one.store_id, content_hash=one.content_hash, name=one.name, is_cut=one.is_cut
                )
                for one in question.papers
            ),
            quotes=told.quotes,
            dropped_quotes=told.dropped,
            would_change=told.would_change,
        )
        await (self._log or current_decision_log()).record(evidence)
        return Decision(output, proposal, hand_over, evidence)

    async def _ask(self, question: Question[OutputT]) -> _Asked[OutputT]:
        asked: _Asked[OutputT] = _Asked("none", Declined("unavailable", "no strategy is configured"), (), Usage())
        passed: tuple[str, ...] = ()
        spent = Usage(cost=0.0)
        for strategy in self._strategies:
            answer = await self._try(strategy, question)
            spent = spent.plus(answer.usage)
            asked = _Asked(strategy.name, answer, passed, spent)
            if not (isinstance(answer, Declined) and answer.kind == "unavailable"):
                break
            passed = (*passed, f"{strategy.name}: {answer.detail}")
        return asked

    async def _try(self, strategy: Strategy[OutputT], question: Question[OutputT]) -> Proposal[OutputT] | Declined:
        limit = self.policy.max_latency.total_seconds()
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                return await strategy.propose(question)
        except TimeoutError:
            if not scope.expired():  # the strategy's own defect, not our limit
                raise
            return Declined("unavailable", f"no answer within {limit:g} s")

    def _judge(self, question: Question[OutputT], asked: _Asked[OutputT], told: Explanation) -> HandOver | None:
        answer = asked.answer
        if isinstance(answer, Proposal):
            verdict = self.policy.judge(confidence=answer.output.confidence, tokens=answer.usage.tokens, cost=answer.usage.cost)
            if verdict is None and told.dropped:
                verdict = HandOver(
                    "invented_quote", f"it quotes what is in no document ({told.dropped} of {told.dropped + len(told.quotes)} quotes)"
                )
            if verdict is None and self._limit is not None:
                objection = self._limit(question.facts, answer.output)
                verdict = HandOver("not_allowed", objection) if objection else None
            return verdict
        match answer.kind:
            case "unavailable":
                return HandOver("unavailable", f"nothing could answer: {answer.detail}")
            case "invalid":
                return HandOver("invalid_output", f"the answer could not be used: {answer.detail}")
            case "refused":
                return HandOver("refused", f"no answer was given: {answer.detail}")
            case "over_budget":
                return HandOver("over_budget", answer.detail)
            case _:
                assert_never(answer.kind)


def _required(hand_over: HandOver | None) -> HandOver:
    """A round without a proposal always ends in a hand-over; anything else would be a defect of ours."""
    if hand_over is None:
        raise AssertionError("no proposal and no reason")
    return hand_over
