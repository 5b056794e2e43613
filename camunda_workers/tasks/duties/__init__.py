"""Duties: who may not do what, decided from what was really done, and enforced whatever the way to a task."""

from __future__ import annotations

from camunda_workers.tasks.duties.decide import decide
from camunda_workers.tasks.duties.facts import Decision, Deed, Facts, Question, Reason, Vote
from camunda_workers.tasks.duties.identity import Directory, People
from camunda_workers.tasks.duties.sink import Fact, FactSink

__all__ = ["Decision", "Deed", "Directory", "Fact", "FactSink", "Facts", "People", "Question", "Reason", "Vote", "decide"]
