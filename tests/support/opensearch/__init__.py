"""A real OpenSearch for the tests that want one: where it is, and what they ask of it.

``python -m tests.support.opensearch FOLDER`` runs one (see `tests.support.opensearch.__main__`); any other one does as well, at the address
that ``CAMUNDA_WORKERS_TEST_OPENSEARCH`` names. Tests use indices of their own there and remove them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Self

import httpx

DEFAULT = "http://127.0.0.1:29200"


def address() -> str:
    """Where the OpenSearch is that tests may use."""
    return os.environ.get("CAMUNDA_WORKERS_TEST_OPENSEARCH") or DEFAULT


def lacking() -> str:
    """Why there is none; empty when there is."""
    try:
        answer = httpx.get(address(), timeout=2, trust_env=False)
        found = answer.json()["version"]["number"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return f"no OpenSearch at {address()} ({type(error).__name__}): python -m tests.support.opensearch FOLDER runs one"
    return "" if found else f"{address()} is no OpenSearch"


class Indices:
    """The indices with one prefix."""

    def __init__(self, http: httpx.AsyncClient, prefix: str) -> None:
        self._http = http
        self.prefix = prefix

    @property
    def pattern(self) -> str:
        """All of them."""
        return f"{self.prefix}*"

    async def call(self, method: str, path: str, **more: Any) -> Any:
        """One request; the answer's JSON."""
        answer = await self._http.request(method, path, **more)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    async def refresh(self) -> None:
        """Let searches see everything that was written."""
        await self.call("POST", f"/{self.pattern}/_refresh")

    async def count(self) -> int:
        """How many documents searches see."""
        return int((await self.call("GET", f"/{self.pattern}/_count"))["count"])

    async def compact(self) -> None:
        """Write everything down and merge every index into one segment: as small as it gets."""
        await self.call("POST", f"/{self.pattern}/_flush", params={"force": "true", "wait_if_ongoing": "true"})
        await self.call("POST", f"/{self.pattern}/_forcemerge", params={"max_num_segments": "1"}, timeout=600)
        await self.call("POST", f"/{self.pattern}/_flush", params={"force": "true", "wait_if_ongoing": "true"})

    async def bytes(self) -> int:
        """What they take on disk."""
        return int((await self.call("GET", f"/{self.pattern}/_stats/store"))["_all"]["total"]["store"]["size_in_bytes"])

    async def remove(self) -> None:
        """Remove them and their templates."""
        for name in await self.call("GET", f"/{self.pattern}"):
            await self.call("DELETE", f"/{name}")
        await self._http.delete(f"/_index_template/{self.pattern}")
        await self._http.delete(f"/_component_template/{self.pattern}")

    @classmethod
    @asynccontextmanager
    async def fresh(cls) -> AsyncGenerator[Self]:
        """Indices with a prefix that nobody else has, removed at the end."""
        async with httpx.AsyncClient(base_url=address(), timeout=60, trust_env=False) as http:
            found = cls(http, f"t{secrets.token_hex(4)}")
            try:
                yield found
            finally:
                await found.remove()
