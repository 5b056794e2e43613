"""Whether the engine asks task listeners at all: one that does not lets everybody walk around the rules, however many listener workers run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from camunda_workers.engine.cluster import SINCE, Feature, features_of, oldest_version
from camunda_workers.errors import EngineUnavailable
from camunda_workers.project_people import DutiesSection

if TYPE_CHECKING:
    from camunda_workers.client import Client


async def engine_problems(section: DutiesSection, client: Client) -> Mapping[str, str]:
    """Why this engine cannot enforce the rules; for a readiness probe.

    Args:
        section: the rules.
        client: an open client of the engine.

    Returns:
        Problem by name; empty when all is well, when there are no rules, and while the engine is away: nobody completes anything then.

    Raises:
        EngineError: the engine answers, but not us.
    """
    if not section.any_rules:
        return {}
    try:
        version = oldest_version(await client.topology())
    except EngineUnavailable:
        return {}
    if features_of(version)[Feature.TASK_LISTENERS]:
        return {}
    since = ".".join(map(str, SINCE[Feature.TASK_LISTENERS]))
    text = (
        f"Camunda {version} asks no task listeners (there are some since {since}), so it cannot enforce the rules: they hold in the inbox "
        "and in 'camunda-workers tasks' alone, and nobody is stopped in Tasklist or over the API. What goes around them is found afterwards "
        "and recorded ('camunda-workers duties audit')"
    )
    return {"duties engine": text}
