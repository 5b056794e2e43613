"""Made-up requests against the REST API's own description: no failure inside, no status that is not described."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.embedded.rest.app import OPERATIONS
from camunda_workers.engine.embedded.rest.describe import describe

pytestmark = pytest.mark.engine

EXAMPLES = int(os.environ.get("REST_FUZZ_EXAMPLES", "2"))
"""Per operation; a long run by hand takes a few hundred."""

schema = schemathesis.openapi.from_dict(describe(OPERATIONS))


@contextmanager
def _serving() -> Iterator[str]:
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
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)
def test_no_request_breaks_it(case: Any, base_url: str) -> None:
    if case.operation.path == "/v2/jobs/activation" and isinstance(case.body, dict):
        case.body["requestTimeout"] = -1  # otherwise it waits, as it should
    if case.operation.path == "/v2/process-instances" and isinstance(case.body, dict):
        case.body.pop("awaitCompletion", None)
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    if case.operation.path.endswith("/modification"):
        checks.remove(not_a_server_error)  # 501 for move instructions is an answer
    case.call_and_validate(base_url=base_url, checks=checks, timeout=20)
