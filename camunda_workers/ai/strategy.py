"""What a strategy is asked and what it may say. A strategy proposes; only the task's policy decides (:mod:`camunda_workers.ai.policy`)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, Protocol

from pydantic import JsonValue

from camunda_workers.ai.output import OutputT
from camunda_workers.ai.papers import Paper
from camunda_workers.ai.policy import Policy
from camunda_workers.errors import ConfigurationError


@dataclass(frozen=True)
class Prompt:
    """Instructions for a model, with a version that changes exactly when they do.

    Attributes:
        text: the whole text of ``prompt.md``.
        version: SHA-256 of the text, the first 12 hex digits.
    """

    text: str
    version: str

    @classmethod
    def of(cls, text: str) -> Prompt:
        """A prompt from its text."""
        return cls(text, hashlib.sha256(text.encode()).hexdigest()[:12])

    @classmethod
    def read(cls, path: Path) -> Prompt:
        """A prompt from a file.

        Raises:
            ConfigurationError: the file is missing, unreadable or empty.
        """
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path.name}: the prompt cannot be read ({error})") from error
        if not text:
            raise ConfigurationError(f"{path.name}: the prompt is empty")
        return cls.of(text)


@dataclass(frozen=True)
class Usage:
    """What one proposal consumed.

    Attributes:
        input_tokens: tokens read by the model, all calls together.
        output_tokens: tokens written by the model.
        cost: in the currency of the strategy's price; ``None`` when no price is known.
        estimated: the endpoint did not report (or misreported) tokens; they were estimated from the text's length, on the high side.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    estimated: bool = False

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def plus(self, other: Usage) -> Usage:
        """The sum; its cost is unknown when either part's is."""
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            cost,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True)
class Question(Generic[OutputT]):
    """One decision that is asked for.

    Attributes:
        facts: what the strategy may look at, as plain JSON; nothing else is shown to it.
        paths: the dotted paths of all facts.
        papers: the documents it may look at as well, as far as they may be shown.
    """

    task: str
    facts: Mapping[str, JsonValue]
    paths: frozenset[str]
    output: type[OutputT]
    prompt: Prompt
    policy: Policy
    papers: tuple[Paper, ...] = ()


@dataclass(frozen=True)
class Proposal(Generic[OutputT]):
    """A valid answer.

    Attributes:
        citations: what it rests on beside the facts, e.g. ids of earlier cases.
    """

    output: OutputT
    usage: Usage = Usage()
    model: str | None = None
    citations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declined:
    """No answer.

    Attributes:
        kind: ``unavailable``: could not be asked, another strategy may be; ``invalid``: answered outside the output model; ``refused``: would
            not answer; ``over_budget``: asking (again) would cost more than the policy allows. All but the first end in front of a person.
        detail: one sentence, ours and not the model's.
    """

    kind: Literal["unavailable", "invalid", "refused", "over_budget"]
    detail: str
    usage: Usage = Usage()
    model: str | None = None


class Strategy(Protocol[OutputT]):
    """One way to answer. Expected trouble is returned as :class:`Declined`; an exception is a defect and fails the job."""

    @property
    def name(self) -> str:
        """Stable and shown openly with every decision."""
        ...

    @property
    def prices_known(self) -> bool:
        """Whether :attr:`Usage.cost` is always filled in; a policy with a maximum cost needs that."""
        ...

    async def propose(self, question: Question[OutputT]) -> Proposal[OutputT] | Declined:
        """An answer to the question, or why there is none."""
        ...
