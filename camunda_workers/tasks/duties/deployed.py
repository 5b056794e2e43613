"""Whether what is deployed asks the listeners: somebody may deploy a diagram that no check of the project's files has seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from camunda_workers.errors import BadResource, NotFound
from camunda_workers.events import ReadModel
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks.duties.ready import diagram_problems

_AT_ONCE: Final = 1000


class DeployedDiagrams:
    """Looks at the latest version of each process that the log knows, and at none of them twice.

    Args:
        section: the rules.
    """

    def __init__(self, section: DutiesSection) -> None:
        self._section = section
        self._seen: dict[str, list[str]] = {}

    async def problems(self, model: ReadModel) -> Mapping[str, str]:
        """Return which tasks can be completed without anybody asking the rules; for a readiness probe.

        Args:
            model: the read model over the engine's log.

        Returns:
            Problem by diagram; empty when all is well, or when there are no rules.
        """
        if not self._section.any_rules:
            return {}
        found: dict[str, str] = {}
        page: dict[str, Any] = {"limit": _AT_ONCE}
        while True:
            answer = await model.search_process_definitions({"isLatestVersion": True}, page=page)
            for one in answer["items"]:
                if problems := await self._of(model, one):
                    found[f"diagram '{one['processDefinitionId']}', version {one['version']}"] = "; ".join(problems)
            if len(answer["items"]) < _AT_ONCE:
                return found
            page = {"limit": _AT_ONCE, "after": answer["page"]["endCursor"]}

    async def _of(self, model: ReadModel, one: Mapping[str, Any]) -> list[str]:
        key = str(one["processDefinitionKey"])
        if key not in self._seen:
            try:
                xml = await model.get_process_definition_xml(key)
                # A file may hold several processes; each is told under its own name.
                self._seen[key] = diagram_problems(self._section, xml.encode(), name=str(one.get("resourceName") or key))
            except (BadResource, NotFound):
                self._seen[key] = []  # deleted meanwhile, or nothing that an engine runs
        return self._seen[key]
