"""What happened to one case, step by step, told from the log alone."""

from __future__ import annotations

from camunda_workers.events.story.model import Actor, CaseStory, Instance, Step, Tone, Wait
from camunda_workers.events.story.tell import case_story, instances_story
from camunda_workers.events.story.words import duration

__all__ = ["Actor", "CaseStory", "Instance", "Step", "Tone", "Wait", "case_story", "duration", "instances_story"]
