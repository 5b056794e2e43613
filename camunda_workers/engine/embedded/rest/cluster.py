"""Topology, status, licence, who am I."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camunda_workers.engine.embedded.rest.context import bridge_of, caller_of, engine_of
from camunda_workers.engine.embedded.rest.operation import Operation


async def get_topology(request: Request) -> Response:
    """One broker, one partition: this process."""
    port = urlsplit(f"//{engine_of(request).grpc_address.rpartition('/')[2]}").port
    health = "healthy" if engine_of(request).healthy() else "unhealthy"
    broker = {
        "nodeId": 0,
        "brokerId": "0",
        "host": "127.0.0.1",
        "port": port,
        "partitions": [{"partitionId": 1, "role": "leader", "health": health, "state": "active"}],
        "version": bridge_of(request).version,
    }
    body = {
        "brokers": [broker],
        "clusterId": "embedded",
        "clusterSize": 1,
        "partitionsCount": 1,
        "replicationFactor": 1,
        "gatewayVersion": bridge_of(request).version,
        "lastCompletedChangeId": "-1",
    }
    return JSONResponse(body)


async def get_status(request: Request) -> Response:
    """204 when the engine works, 503 when not."""
    return Response(status_code=204 if engine_of(request).healthy() else 503)


async def get_license(request: Request) -> Response:
    """The engine runs without a licence key: non-production use."""
    return JSONResponse({"validLicense": False, "licenseType": "unknown", "isCommercial": False, "expiresAt": None})


async def get_authentication(request: Request) -> Response:
    """Who asks; where nobody is asked who they are, everybody is the same development user."""
    caller = caller_of(request)
    body: dict[str, Any] = {
        "username": caller.name,
        "displayName": caller.display_name,
        "email": caller.email,
        "authorizedComponents": ["*"],
        "tenants": [{"tenantId": "<default>", "name": "Default", "description": None}],
        "groups": list(caller.groups),
        "roles": [],
        "salesPlanType": None,
        "c8Links": {},
        "canLogout": False,
    }
    return JSONResponse(body)


OPERATIONS = [
    Operation("GET", "/topology", get_topology),
    Operation("GET", "/status", get_status, answers=(204,)),
    Operation("GET", "/license", get_license),
    Operation("GET", "/authentication/me", get_authentication),
]
