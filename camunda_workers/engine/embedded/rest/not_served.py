"""What Camunda's description has and the engine or this gateway does not: 501 with a sentence instead of a bare 404."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from camunda_workers.engine.embedded.rest.operation import PREFIX
from camunda_workers.errors import NotSupported

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

_IDENTITY = "users, groups, roles, tenants and authorizations are not managed in this gateway; 'engine start --auth' says who may come in"
_NEWER = "Camunda 8.8 cannot do that, newer versions can"
_ADMIN = "one process is one broker: there is nothing to administer"
_HISTORY = "history is an append-only event log here: nothing is taken out of it"
NOT_SERVED: Mapping[str, str] = {
    **dict.fromkeys(("users", "groups", "roles", "tenants", "authorizations", "mapping-rules", "setup"), _IDENTITY),
    "audit-logs": "Camunda 8.8 has no audit log; POST /v2/user-tasks/{userTaskKey}/audit-logs/search and the event log tell who did what",
    "cluster-variables": "cluster variables came with Camunda 8.9, this gateway serves what 8.8 can",
    "conditionals": "conditional events came with Camunda 8.9, this gateway serves what 8.8 can",
    "global-task-listeners": "global listeners came with Camunda 8.9, this gateway serves what 8.8 can",
    "jobs/statistics": "counts of jobs came with Camunda 8.9; the worker's metrics and POST /v2/jobs/search do",
    "agent-instances": "Camunda 8.8 knows no agents (8.10 does)",
    "agent-definitions": "Camunda 8.8 knows no agents (8.10 does)",
    "process-instances/deletion": _HISTORY,
    "process-instances/{processInstanceKey}/deletion": _HISTORY,
    "decision-instances/deletion": _HISTORY,
    "decision-instances/{decisionEvaluationKey}/deletion": _HISTORY,
    "element-instances/wait-states": _NEWER,
    "process-instances/{processInstanceKey}/statistics/wait-states": _NEWER,
    "process-instances/{processInstanceKey}/business-id-assignment": "Camunda 8.8 gives a business id at the start only (as a tag)",
    **dict.fromkeys((f"process-instances{of}/{do}" for of in ("", "/{processInstanceKey}") for do in ("suspension", "resumption")), _NEWER),
    "process-definitions/{processDefinitionKey}/variable-names": _NEWER,
    "jobs/batch-update": _NEWER,
    "resources/search": _NEWER,
    "mode": _ADMIN,
    "restore": _ADMIN,
    "authentication/me/authorizations": _IDENTITY,
    "system/configuration": "the configuration of job metrics, which came with Camunda 8.9",
    "backups": "back up with 'camunda-workers engine backup'",
    "exporting": "exporters are the event log's part, see 'camunda-workers log export'",
    "cluster": _ADMIN,
    "secrets": "secrets are the connector runtime's part, they never pass through the engine",
}
"""By the beginning of the path below ``/v2``."""


def routes() -> list[Route]:
    """Return the routes that say so; they come behind those that serve."""

    def route(path: str, reason: str) -> list[Route]:
        async def endpoint(request: Request) -> Response:
            raise NotSupported(f"{request.method} {request.url.path} is not served: {reason}")

        return [Route(f"{PREFIX}/{path}{rest}", endpoint, methods=_METHODS) for rest in ("", "/{rest:path}")]

    return [one for path, reason in NOT_SERVED.items() for one in route(path, reason)]
