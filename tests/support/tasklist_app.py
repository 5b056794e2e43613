"""Camunda's own Tasklist 8.6 as a child process, in front of any engine whose records are in OpenSearch.

It is a part of the broker's distribution (see `camunda_workers.engine.broker`). It reads what an exporter has put into OpenSearch, and gives its
commands (assign, unassign, complete) to the engine's REST API.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from camunda_workers.engine.broker.distribution import ensure_distribution, java
from camunda_workers.settings import Settings
from tests.support import opensearch
from tests.support.opensearch import Indices

MAIN = "io.camunda.application.StandaloneTasklist"
PASSWORD = "tasklist-in-a-test"
PATIENCE = 180.0


@dataclass(frozen=True)
class Tasklist:
    """A running Tasklist.

    Attributes:
        address: what a browser opens.
        users: who can log in, with `PASSWORD`.
        own: the indices that it keeps for itself.
    """

    address: str
    users: tuple[str, str]
    own: Indices

    async def has_forms(self, count: int) -> None:
        """Wait until it has taken over so many forms: 8.6 shows a task that it takes over before its form without a form, for good."""
        async with asyncio.timeout(60):
            while True:
                await self.own.refresh()
                found = await self.own.call("POST", f"/{self.own.prefix}-form-*/_count")
                if found["count"] >= count:
                    return
                await asyncio.sleep(0.3)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _environment(port: int, management: int, grpc: str, rest: str, records: str, own: str, users: Sequence[str]) -> dict[str, str]:
    of = "CAMUNDA_TASKLIST_"
    search = opensearch.address()
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ZEEBE_", "CAMUNDA_", "SPRING_", "SERVER_"))},
        "SERVER_ADDRESS": "127.0.0.1",
        "SERVER_PORT": str(port),
        "MANAGEMENT_SERVER_ADDRESS": "127.0.0.1",
        "MANAGEMENT_SERVER_PORT": str(management),
        "CAMUNDA_DATABASE_TYPE": "opensearch",
        "CAMUNDA_DATABASE_URL": search,
        f"{of}DATABASE": "opensearch",
        f"{of}OPENSEARCH_URL": search,
        f"{of}OPENSEARCH_INDEXPREFIX": own,
        f"{of}ZEEBEOPENSEARCH_URL": search,
        f"{of}ZEEBEOPENSEARCH_PREFIX": records,
        f"{of}ZEEBE_GATEWAYADDRESS": grpc,
        f"{of}ZEEBE_RESTADDRESS": rest,
        f"{of}ARCHIVERENABLED": "false",
        f"{of}CSRFPREVENTIONENABLED": "false",
        f"{of}IMPORTER_READERBACKOFF": "300",
        f"{of}IMPORTER_SCHEDULERBACKOFF": "300",
        f"{of}USERID": users[0],
        f"{of}DISPLAYNAME": users[0],
        f"{of}PASSWORD": PASSWORD,
        f"{of}OPERATORUSERID": users[1],
        f"{of}OPERATORDISPLAYNAME": users[1],
        f"{of}OPERATORPASSWORD": PASSWORD,
    }


@asynccontextmanager
async def tasklist(folder: Path, *, grpc: str, rest: str, records: str, users: tuple[str, str]) -> AsyncGenerator[Tasklist]:
    """Run Tasklist; its own indices are removed at the end.

    Args:
        folder: for its log.
        grpc: the engine's gRPC address.
        rest: the engine's REST address.
        records: the prefix of the indices with the engine's records.
        users: who can log in: Tasklist makes two users.
    """
    settings = Settings()
    distribution = ensure_distribution(settings.broker_version, settings.cache_dir)
    port, management = _free_ports(2)
    async with httpx.AsyncClient(base_url=opensearch.address(), timeout=60, trust_env=False) as http:
        own = Indices(http, f"tasklist{secrets.token_hex(4)}")
        log = folder / "tasklist.log"
        class_path = os.pathsep.join((str(distribution / "config"), str(distribution / "lib" / "*")))
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(str(java()), "-Xms256m", "-Xmx768m", "-Dfile.encoding=UTF-8", "-cp", class_path, MAIN),
                cwd=folder, stdout=output, stderr=output, start_new_session=True,
                env=_environment(port, management, grpc, rest, records, own.prefix, users),
            )  # fmt: skip
            try:
                await _ready(process, f"http://127.0.0.1:{management}/actuator/health/readiness", log)
                yield Tasklist(f"http://127.0.0.1:{port}", users, own)
            finally:
                if process.returncode is None:
                    process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), 30)
                except TimeoutError:
                    process.kill()
                    await process.wait()
                await own.remove()


async def _ready(process: asyncio.subprocess.Process, address: str, log: Path) -> None:
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient(timeout=5, trust_env=False) as http:
        while True:
            assert process.returncode is None, f"Tasklist ended: see {log}"
            try:
                if (await http.get(address)).is_success:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.5)
