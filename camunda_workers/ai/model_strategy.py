"""The strategy that asks a model. The model sees the prompt and the facts, may answer once, and may correct an unusable answer once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic

from camunda_workers.ai.kernel import ChatModel, Message, ModelRefused, ModelUnavailable, Reply
from camunda_workers.ai.output import InvalidAnswer, OutputT, answer_schema, parse_answer
from camunda_workers.ai.strategy import Declined, Proposal, Question, Usage

_CHARS_PER_TOKEN: Final = 3
"""Low for English and JSON, so that estimates err on the high side."""

_QUOTED: Final = 4_000
"""How much of an unusable answer is shown back to the model."""


@dataclass(frozen=True)
class Price:
    """Price per million tokens, in one currency; zeros for a model of one's own."""

    input_per_million: float
    output_per_million: float

    def of(self, read: int, written: int) -> float:
        """The cost of one call."""
        return (read * self.input_per_million + written * self.output_per_million) / 1_000_000


class ModelStrategy(Generic[OutputT]):
    """Asks a chat model for structured output.

    Args:
        chat: the model.
        price: when known, evidence carries the cost and a policy may limit it.
        max_output_tokens: for one call.
        name: how the strategy is named in evidence.
    """

    def __init__(
        self, chat: ChatModel, *, price: Price | None = None, max_output_tokens: int = 1_000, name: str = "semantic-kernel"
    ) -> None:
        self._chat = chat
        self._price = price
        self._max_output_tokens = max_output_tokens
        self._name = name

    @property
    def name(self) -> str:
        """Stable and shown openly."""
        return self._name

    @property
    def prices_known(self) -> bool:
        """Whether a price was given."""
        return self._price is not None

    async def propose(self, question: Question[OutputT]) -> Proposal[OutputT] | Declined:
        """Ask; on an unusable answer say what was wrong and ask once more."""
        schema = answer_schema(question.output, question.paths, [paper.id for paper in question.papers])
        # The facts are one JSON document in a message of their own: quotes and line breaks in a claim's text cannot leave their string.
        shown: dict[str, object] = {"facts": question.facts}
        if question.papers:
            pages = {paper.id: [{"page": one.number, "text": one.text} for one in paper.seen] for paper in question.papers}
            shown["documents"] = [{"id": paper.id, "pages": pages[paper.id], "is_cut": paper.is_cut} for paper in question.papers]
        facts = json.dumps(shown, indent=1)
        messages = [Message("system", question.prompt.text), Message("user", facts)]
        usage, model, fault = Usage(cost=0.0), None, ""
        for last in (False, True):
            expected = usage.tokens + sum(len(m.text) for m in messages) // _CHARS_PER_TOKEN
            if question.policy.max_tokens is not None and expected > question.policy.max_tokens:
                return Declined(
                    "over_budget",
                    f"asking would take about {expected} tokens; at most {question.policy.max_tokens} are allowed",
                    usage,
                    model,
                )
            try:
                reply = await self._chat.complete(
                    messages, schema_name=question.task.replace("-", "_")[:64], schema=schema, max_output_tokens=self._max_output_tokens
                )
            except ModelUnavailable as error:
                return Declined("unavailable", str(error), usage, model)
            except ModelRefused as error:
                return Declined("refused", str(error), usage, model)
            usage, model = usage.plus(self._usage(messages, reply)), (reply.model or "")[:120] or None
            if reply.refused:
                return Declined("refused", "the model refused or its content filter stopped it", usage, model)
            try:
                if reply.cut_off:
                    raise InvalidAnswer(f"the answer did not end within {self._max_output_tokens} tokens")
                return Proposal(parse_answer(reply.text, question.output, question.paths), usage, model)
            except InvalidAnswer as error:
                fault = str(error)
                if not last:
                    messages += [Message("assistant", reply.text[:_QUOTED]), Message("user", _repair(fault))]
        return Declined("invalid", f"twice not what was asked for ({fault})", usage, model)

    def _usage(self, messages: Sequence[Message], reply: Reply) -> Usage:
        estimate = (sum(len(m.text) for m in messages) // _CHARS_PER_TOKEN, len(reply.text) // _CHARS_PER_TOKEN)
        read, written = reply.tokens or estimate
        return Usage(read, written, self._price.of(read, written) if self._price else None, estimated=reply.tokens is None)


def _repair(fault: str) -> str:
    return f"That answer cannot be used: {fault}. Answer again, only with one JSON object that follows the schema, from the same facts."
