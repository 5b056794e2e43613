"""The REST API against Camunda's own description, as its file is: every answer of a tour, and made-up requests to every operation.

The description is Camunda's and not kept here. To run this, name its file (one JSON file with everything in it, as Camunda's SDKs keep it:
``rest-api.bundle.json``) in ``CAMUNDA_REST_DESCRIPTION``; ``REST_FUZZ_EXAMPLES`` is the number of requests for each operation.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks as general
from schemathesis.specs.openapi import checks as openapi

from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.embedded.rest.app import OPERATIONS
from tests.support.rest_tour import Exchange, tour

FILE = os.environ.get("CAMUNDA_REST_DESCRIPTION", "")
EXAMPLES = int(os.environ.get("REST_FUZZ_EXAMPLES", "3"))

if not FILE:
    # At once: without operations there would be nothing to make tests of.
    pytest.skip("no description: name Camunda's rest-api.bundle.json in CAMUNDA_REST_DESCRIPTION", allow_module_level=True)

pytestmark = pytest.mark.engine

_PARAMETER = re.compile(r"{\w+}")
_EVERYWHERE = (405, 408, 413, 415, 503)
_BESIDE = {
    "POST /process-instances": (404,),
    "PUT /element-instances/{}/variables": (404,),
    "POST /documents/{}/links": (404,),
    "POST /user-tasks/{}/variables/search": (404,),
    "POST /user-tasks/{}/effective-variables/search": (404,),
    "POST /user-tasks/{}/audit-logs/search": (404,),
    "POST /documents": (409,),
    "GET /documents/{}": (400,),
    "POST /process-instances/{}/modification": (501,),
}
"""Statuses that the description leaves out: the table of docs/rest-api.md."""


def _description() -> dict[str, Any]:
    """What is served of it, with the statuses that it leaves out."""
    # One of several kinds of key, it says where all kinds look alike: no key could be one of them alone.
    whole = json.loads(Path(FILE).read_text(encoding="utf-8").replace('"oneOf"', '"anyOf"'))
    served = {(one.method, _PARAMETER.sub("{}", one.path)) for one in OPERATIONS}
    problem = {"description": "Beside Camunda's.", "content": {"application/problem+json": {"schema": {"type": "object"}}}}
    paths: dict[str, Any] = {}
    for path, item in whole["paths"].items():
        kept = dict[str, Any]()
        for method, operation in item.items():
            place = method.upper(), _PARAMETER.sub("{}", path)
            if method == "parameters":
                kept[method] = operation
            elif place in served:
                beside = {str(status): problem for status in (*_EVERYWHERE, *_BESIDE.get(" ".join(place), ()))}
                kept[method] = {**operation, "responses": beside | operation["responses"]}
        if kept.keys() - {"parameters"}:
            paths[path] = kept
    return {**whole, "paths": paths, "servers": [{"url": "/v2"}]}


DESCRIPTION = _description()
schema: Any = schemathesis.openapi.from_dict(DESCRIPTION)
_general, _openapi = cast(Any, general), cast(Any, openapi)
CHECKS = [_openapi.status_code_conformance, _openapi.content_type_conformance, _openapi.response_schema_conformance]


@contextmanager
def _serving() -> Generator[tuple[str, list[Exchange]]]:
    """An engine on a loop of its own (schemathesis's calls are blocking), after a tour through everything."""
    served: list[tuple[str, list[Exchange]]] = []
    started, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with EmbeddedEngine(rest_port=0) as engine:
            async with httpx.AsyncClient(base_url=f"{engine.rest_address}/v2", timeout=60, trust_env=False) as rest:
                served.append((engine.rest_address, await tour(rest)))
            started.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(120)
        yield served[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def ground() -> Iterator[tuple[str, list[Exchange]]]:
    with _serving() as served:
        yield served


@pytest.fixture(scope="module")
def keys(ground: tuple[str, list[Exchange]]) -> dict[str, list[str]]:
    """Keys of what is there, by the name of their field: requests about nothing find nothing."""
    found: dict[str, set[str]] = {}

    def look(value: Any) -> None:
        if isinstance(value, list):
            for one in cast("list[Any]", value):
                look(one)
        elif isinstance(value, dict):
            for name, one in cast("dict[str, Any]", value).items():
                if isinstance(one, str) and name.endswith("Key") and one.isdigit():
                    found.setdefault(name, set()).add(one)
                else:
                    look(one)

    for exchange in ground[1]:
        if "json" in exchange.response.headers.get("content-type", ""):
            look(exchange.response.json())
    return {name: sorted(values) for name, values in found.items()}


def test_every_answer_of_a_tour_is_as_described(ground: tuple[str, list[Exchange]]) -> None:
    described = {_PARAMETER.sub("{}", path): path for path in DESCRIPTION["paths"]}
    wrong: list[str] = []
    for exchange in ground[1]:
        operation = schema[described[_PARAMETER.sub("{}", exchange.path)]][exchange.method]
        kept = exchange.response
        # A request that sent files cannot be read again, and nothing of it is needed.
        bare = httpx.Request(exchange.method, kept.request.url)
        answer = httpx.Response(kept.status_code, headers=kept.headers, content=kept.content, request=bare)
        answer.elapsed = kept.elapsed
        try:
            operation.validate_response(answer)
        except AssertionError as error:
            wrong.append(f"{exchange.method} {exchange.path}: {error}")
        if str(kept.status_code) not in operation.definition.raw["responses"]:
            wrong.append(f"{exchange.method} {exchange.path}: {kept.status_code} is not described")
    assert wrong == []


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    derandomize=True,
    database=None,
)
def test_no_request_breaks_it(case: Any, ground: tuple[str, list[Exchange]], keys: dict[str, list[str]]) -> None:
    parameters: dict[str, Any] = case.path_parameters or {}
    for name, value in parameters.items():
        known = keys.get(name, [])
        if known and len(str(value)) % 2:
            parameters[name] = known[len(str(value)) % len(known)]
    body: Any = case.body
    if isinstance(body, dict):
        given = cast("dict[str, Any]", body)
        if case.operation.path == "/jobs/activation":
            given["requestTimeout"] = -1  # otherwise it waits, as it should
        elif case.operation.path == "/process-instances":
            given["awaitCompletion"] = False
    # 501 for move instructions is an answer.
    checks = CHECKS if case.operation.path.endswith("/modification") else [_general.not_a_server_error, *CHECKS]
    case.call_and_validate(base_url=f"{ground[0]}/v2", checks=checks, timeout=30)
