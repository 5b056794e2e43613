"""Claim triage, opened: its prompt and memory read, its model connected when one is configured."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ai_tasks.claim_triage import rules
from ai_tasks.claim_triage.explain import explainer
from ai_tasks.claim_triage.facts import TriageAnswer
from camunda_workers.ai import AiTask, DecisionLog, ModelStrategy, Prompt, Strategy, open_configured_model
from camunda_workers.ai.retrieval import Memory, RetrievalStrategy
from camunda_workers.settings import AiSettings, Settings

HERE: Final = Path(__file__).parent
PROMPT: Final = HERE / "prompt.md"
HISTORY: Final = HERE / "history.jsonl"
RETRIEVAL: Final = HERE / "retrieval.json"


class ClaimTriage(AiTask[TriageAnswer]):
    """The task, ready to be asked."""


@asynccontextmanager
async def open_claim_triage(settings: AiSettings | None = None, log: DecisionLog | None = None) -> AsyncGenerator[ClaimTriage]:
    """The task with the strategies that the settings allow: a model, when one is configured, and the nearest earlier claims.

    Args:
        settings: the environment's when not given.
        log: where evidence goes beside the variable ``triage``; one structured log line when not given.

    Raises:
        ConfigurationError: the prompt, the history or the model's settings cannot be used.
        MissingExtra: a model is configured but the extra ``ai`` is not installed.
    """
    async with open_configured_model(settings or Settings()) as chat:
        strategies: list[Strategy[TriageAnswer]] = []
        if chat is not None:
            strategies.append(ModelStrategy(chat))
        memory = Memory.read(HISTORY, RETRIEVAL)
        strategies.append(RetrievalStrategy(memory, rules.conclude))
        yield ClaimTriage(
            "triage-claim",
            output=TriageAnswer,
            prompt=Prompt.read(PROMPT),
            policy=rules.POLICY,
            strategies=strategies,
            safe_output=rules.safe_output,
            limit=rules.limit,
            explain=explainer(memory),
            log=log,
        )
