"""Every operation of Camunda's description: served, or answered 501 with a sentence, and listed in the documentation.

The operations are read out of Camunda's own Python SDK, which is made from the official description of 8.10.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import httpx
import pytest

from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.engine.embedded.rest.app import OPERATIONS
from camunda_workers.engine.embedded.rest.not_served import NOT_SERVED

pytestmark = pytest.mark.engine

_DOCS = Path(__file__).parents[2] / "docs" / "rest-api.md"
_METHOD = re.compile(r'"method": "(\w+)"')
_URL = re.compile(r'"url": "([^"]+)"')
_PARAMETER = re.compile(r"{\w+}")


def _official() -> set[tuple[str, str]]:
    """Method and path of each operation; the names of parameters are left out, the SDK has others."""
    found = importlib.util.find_spec("camunda_orchestration_sdk")
    if found is None or found.origin is None:
        pytest.skip("Camunda's Python SDK is not installed")
    operations: set[tuple[str, str]] = set()
    for file in (Path(found.origin).parent / "api").glob("*/*.py"):
        text = file.read_text(encoding="utf-8")
        method, url = _METHOD.search(text), _URL.search(text)
        if method is not None and url is not None:
            operations.add((method[1].upper(), _PARAMETER.sub("{}", url[1])))
    assert len(operations) > 200, "the SDK is not laid out as it was: this test reads nothing"
    return operations


async def test_each_is_served_or_said_not_to_be_and_listed() -> None:
    official, text = _official(), _DOCS.read_text(encoding="utf-8")
    listed = {(method, _PARAMETER.sub("{}", path)) for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`]*)`", text)}
    served = {(one.method, _PARAMETER.sub("{}", one.path)) for one in OPERATIONS}
    assert served - official == set(), "these are nobody's but ours"
    assert official - listed == set(), "these are not in docs/rest-api.md"
    reasons = set(NOT_SERVED.values())
    wrong: list[str] = []
    async with EmbeddedEngine(rest_port=0) as engine, httpx.AsyncClient(base_url=f"{engine.rest_address}/v2", trust_env=False) as http:
        for method, path in sorted(official):
            answer = await http.request(method, path.replace("{}", "4503599627370497"), json=None if method == "GET" else {}, timeout=30)
            if (answer.status_code == 501) == ((method, path) in served) or answer.status_code in (405, 500, 503):
                wrong.append(f"{method} {path}: {answer.status_code}")
            elif answer.status_code == 501:
                body = answer.json()
                if body["title"] != "NOT_IMPLEMENTED" or body["detail"].partition(" is not served: ")[2] not in reasons:
                    wrong.append(f"{method} {path}: {body}")
    assert wrong == []
