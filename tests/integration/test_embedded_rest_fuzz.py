"""Made-up requests against the REST API's own description: no failure inside, no status that is not described."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks as general
from schemathesis.specs.openapi import checks as openapi

from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.embedded.rest.app import OPERATIONS
from camunda_workers.engine.embedded.rest.describe import describe
from camunda_workers.engine.embedded.rest.operation import Operation
from camunda_workers.engine.embedded.rest.search import Search

pytestmark = pytest.mark.engine

EXAMPLES = int(os.environ.get("REST_FUZZ_EXAMPLES", "0"))
"""Per operation; a long run by hand takes a few hundred. Without it two each, and of the searches and look-ups, which share one handler, a few."""


def _is_one_of_many(operation: Operation) -> bool:
    kept = {"searchUserTasks", "searchProcessInstances", "getUserTask", "getDecisionInstance", "getDocument"}
    alike = (operation.method == "GET" and not operation.query) or (operation.body is Search and not operation.query)
    return alike and operation.operation_id not in kept


CHOSEN = [operation for operation in OPERATIONS if EXAMPLES or not _is_one_of_many(operation)]
schema: Any = schemathesis.openapi.from_dict(describe(CHOSEN))
_general, _openapi = cast(Any, general), cast(Any, openapi)
CONFORMANCE = [_openapi.status_code_conformance, _openapi.content_type_conformance, _openapi.response_schema_conformance]


@contextmanager
def _serving() -> Generator[str]:
    """An engine on a loop of its own: schemathesis calls are blocking."""
    address: list[str] = []
    started, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with EmbeddedEngine(rest_port=0) as engine:
            address.append(engine.rest_address)
            started.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(60)
        yield address[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with _serving() as url:
        yield url


@schema.parametrize()
@settings(
    max_examples=EXAMPLES or 2,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    derandomize=True,
    database=None,
)
def test_no_request_breaks_it(case: Any, base_url: str) -> None:
    path: str = case.operation.path
    body: Any = case.body
    if isinstance(body, dict):
        given = cast("dict[str, Any]", body)
        if path == "/v2/jobs/activation":
            given["requestTimeout"] = -1  # otherwise it waits, as it should
        elif path == "/v2/process-instances":
            given["awaitCompletion"] = False
    # 501 for move instructions is an answer.
    checks = CONFORMANCE if path.endswith("/modification") else [_general.not_a_server_error, *CONFORMANCE]
    case.call_and_validate(base_url=base_url, checks=checks, timeout=20)
