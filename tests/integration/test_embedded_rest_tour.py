"""Every operation of the REST API, called once on a real engine; Camunda's own SDK reads every answer."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from camunda_workers.engine.embedded.engine import EmbeddedEngine
from tests.support.rest_tour import Exchange, tour

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def exchanges() -> list[Exchange]:
    async def go() -> list[Exchange]:
        async with EmbeddedEngine(rest_port=0) as engine, httpx.AsyncClient(base_url=engine.rest_address + "/v2", timeout=30) as rest:
            return await tour(rest)

    return asyncio.run(go())


def test_every_operation_is_visited_and_described(exchanges: list[Exchange]) -> None:
    from camunda_workers.engine.embedded.rest.app import OPERATIONS
    from camunda_workers.engine.embedded.rest.describe import describe

    visited = {(one.method, one.path) for one in exchanges}
    assert {(one.method, one.path) for one in OPERATIONS} - visited == set()
    paths = describe(OPERATIONS)["paths"]
    for one in exchanges:
        documented = paths["/v2" + one.path][one.method.lower()]["responses"]
        assert str(one.response.status_code) in documented, f"{one.method} {one.path} {one.response.status_code}"


def test_camundas_own_sdk_reads_every_answer(exchanges: list[Exchange]) -> None:
    sdk: Any = pytest.importorskip("camunda_orchestration_sdk", reason="Camunda's Python SDK is not installed")
    from camunda_workers.engine.embedded.rest.app import OPERATIONS

    names = {(one.method, one.path): one.operation_id for one in OPERATIONS}
    modules = _operations_of(sdk)
    client = sdk.client.Client(base_url="http://nowhere") if hasattr(sdk.client, "Client") else None
    refused: list[str] = []
    for one in exchanges:
        module = modules[_snake(names[one.method, one.path])]
        try:
            if one.response.status_code < 400:
                module._parse_response(client=client, response=one.response)
        except Exception as error:
            refused.append(f"{one.method} {one.path}: {error!r}")
    assert not refused


def _operations_of(sdk: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for package in pkgutil.iter_modules([f"{sdk.__path__[0]}/api"]):
        for module in pkgutil.iter_modules([f"{sdk.__path__[0]}/api/{package.name}"]):
            found[module.name] = f"{sdk.__name__}.api.{package.name}.{module.name}"
    return _Lazy(found)


class _Lazy(dict[str, Any]):
    def __getitem__(self, name: str) -> Any:
        return importlib.import_module(super().__getitem__(name))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def test_the_documentation_lists_what_is_served_and_what_is_not() -> None:
    from camunda_workers.engine.embedded.rest.app import OPERATIONS
    from camunda_workers.engine.embedded.rest.not_served import NOT_SERVED

    text = (Path(__file__).parents[2] / "docs" / "rest-api.md").read_text(encoding="utf-8")
    assert [f"{one.method} {one.path}" for one in OPERATIONS if f"`{one.method} {one.path}`" not in text] == []
    assert [path for path, reason in NOT_SERVED.items() if f"`/{path}`" not in text or reason not in text] == []
