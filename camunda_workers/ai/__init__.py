"""AI tasks: the same worker function as any other, plus an output model, strategies and a policy, and evidence of every decision.

A task never acts: it answers within its output model, and the diagram acts. Below its confidence, over its budget, or with nobody to ask
it hands to a person. Semantic Kernel (the extra ``ai``) is imported only when a model is opened.
"""

from __future__ import annotations

from camunda_workers.ai.configured import open_configured_model
from camunda_workers.ai.evidence import DecisionEvidence, DecisionLog, StructlogDecisionLog, Subject
from camunda_workers.ai.explain import Change, ExplainedOutput, Explanation, Quote
from camunda_workers.ai.guard import remote_models
from camunda_workers.ai.kernel import ChatModel, open_kernel_chat
from camunda_workers.ai.model_strategy import ModelStrategy, Price
from camunda_workers.ai.output import AiOutput
from camunda_workers.ai.papers import Paper, papers_of
from camunda_workers.ai.policy import HandOver, Policy
from camunda_workers.ai.reading import read_pages
from camunda_workers.ai.strategy import Declined, Prompt, Proposal, Question, Strategy, Usage
from camunda_workers.ai.task import AiTask, Decision

__all__ = [
    "AiOutput",
    "AiTask",
    "Change",
    "ChatModel",
    "Decision",
    "DecisionEvidence",
    "DecisionLog",
    "Declined",
    "ExplainedOutput",
    "Explanation",
    "HandOver",
    "ModelStrategy",
    "Paper",
    "Policy",
    "Price",
    "Prompt",
    "Proposal",
    "Question",
    "Quote",
    "Strategy",
    "StructlogDecisionLog",
    "Subject",
    "Usage",
    "open_configured_model",
    "open_kernel_chat",
    "papers_of",
    "read_pages",
    "remote_models",
]
