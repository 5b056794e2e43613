"""Tries a connection part by part and says what works, what does not, and what to do about it.

Nothing is changed in the cluster: it is asked for jobs of a type that no diagram has, and for one user task.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, cast

from camunda_workers.client.auth import ClientCredentials, authorization_from
from camunda_workers.client.client import Client
from camunda_workers.client.retry import BackOff
from camunda_workers.engine.cluster import NEWEST, OLDEST, oldest_version, version_of, without_leader
from camunda_workers.engine.cluster_advice import advice
from camunda_workers.errors import CamundaWorkersError, NotFound, NotSupported, Unauthenticated
from camunda_workers.settings import ConnectionSettings

_QUIET: Final = 1.0
"""A stream that has not been refused for so many seconds is open: a gateway says nothing before the first job."""


class State(StrEnum):
    """How a part of the connection is."""

    WORKS = "works"
    FAILS = "fails"
    WARNS = "warns"
    """Works are limited, but go on."""
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one part of the connection.

    Attributes:
        name: the part.
        state: how it is.
        detail: what was seen.
        fix: what to do; empty when nothing is to be done.
        seconds: how long it took to find out.
    """

    name: str
    state: State
    detail: str
    fix: str = ""
    seconds: float = 0.0


def reachable(findings: list[Finding]) -> bool:
    """Whether workers can work over this connection: nothing that they need fails."""
    return all(finding.state is not State.FAILS for finding in findings)


def describe_authentication(settings: ConnectionSettings) -> str:
    """How the settings say who we are; without secrets."""
    if settings.client_id and settings.oauth_url:
        return f"OAuth client credentials: client '{settings.client_id}' at {settings.oauth_url}"
    if settings.basic_username:
        return f"user name and password: '{settings.basic_username}'"
    return "none"


class ConnectionCheck:
    """One check of a connection.

    Args:
        settings: addresses and credentials.
        timeout: seconds each part gets.
    """

    def __init__(self, settings: ConnectionSettings, *, timeout: float = 5.0) -> None:
        changed: dict[str, Any] = {**dict(settings), "request_timeout": timeout}
        self._settings = type(settings)(**changed)
        self._timeout = timeout
        self._job_type = f"camunda-workers-check-{uuid.uuid4().hex[:12]}"
        self._grpc = False
        self._rest = False
        self.version = ""
        """The oldest version in the cluster; empty until it is known."""

    async def run(self) -> AsyncIterator[Finding]:
        """The findings, each as soon as it is there."""
        yield await self._timed(self._credentials)
        async with Client(settings=self._settings, back_off=BackOff(attempts=1)) as client:
            over_grpc = await self._timed(lambda: self._topology(client, "gRPC"))
            over_rest = await self._timed(lambda: self._topology(client, "REST"))
            # One way is enough for jobs, so the other is then no more than a warning.
            yield _softened(over_grpc, "jobs are fetched over REST, without streaming") if self._rest else over_grpc
            yield _softened(over_rest, "workers work; user tasks and searches do not") if self._grpc else over_rest
            yield await self._timed(lambda: self._caller(client))
            yield await self._timed(lambda: self._polling(client))
            yield await self._timed(lambda: self._streaming(client))
            yield await self._timed(lambda: self._user_tasks(client))
            yield self._judged_version()

    async def _timed(self, probe: Callable[[], Awaitable[Finding]]) -> Finding:
        began = time.monotonic()
        finding = await probe()
        return replace(finding, seconds=round(time.monotonic() - began, 3))

    async def _credentials(self) -> Finding:
        name = "credentials"
        authorization = authorization_from(self._settings)
        if authorization is None:
            return Finding(name, State.SKIPPED, "none are set: the cluster must ask for none")
        if not isinstance(authorization, ClientCredentials):
            return Finding(name, State.WORKS, describe_authentication(self._settings))
        try:
            token = (await authorization.header()).removeprefix("Bearer ")
        except CamundaWorkersError as error:
            return Finding(name, State.FAILS, str(error), advice(error))
        return Finding(name, State.WORKS, f"a token for client '{self._settings.client_id}'{_claims(token)}")

    async def _topology(self, client: Client, way: str) -> Finding:
        address = self._settings.grpc_address if way == "gRPC" else self._settings.rest_address
        if not address:
            return Finding(way, State.WARNS, "no address is set", "set CAMUNDA_REST_ADDRESS: user tasks and searches need it")
        try:
            topology = await client.topology("grpc" if way == "gRPC" else "rest")
        except CamundaWorkersError as error:
            return Finding(way, State.FAILS, f"{address}: {error}", advice(error, way))
        if way == "gRPC":
            self._grpc = True
        else:
            self._rest = True
        self.version = oldest_version(topology) or self.version
        detail = f"{address}: Camunda {topology.gateway_version}, {len(topology.brokers)} brokers, {topology.partitions_count} partitions"
        if stuck := without_leader(topology):
            numbers = ", ".join(map(str, stuck))
            return Finding(
                way,
                State.FAILS,
                f"{detail}; no healthy leader for partition {numbers}",
                "what runs there stands still: see the brokers' logs",
            )
        return Finding(way, State.WORKS, detail)

    async def _caller(self, client: Client) -> Finding:
        name = "who we are"
        if not self._rest:
            return Finding(name, State.SKIPPED, "needs REST")
        try:
            caller = await client.whoami()
        except (NotSupported, NotFound, Unauthenticated) as error:
            if authorization_from(self._settings) is None:
                return Finding(name, State.SKIPPED, "the cluster takes everybody without asking")
            return Finding(name, State.WARNS, str(error), "only clusters from 8.8 on tell")
        except CamundaWorkersError as error:
            return Finding(name, State.WARNS, str(error), advice(error, "REST"))
        tenants = [str(tenant.get("tenantId")) for tenant in caller.tenants]
        if missing := [tenant for tenant in self._settings.tenant_ids if tenants and tenant not in tenants]:
            return Finding(
                name,
                State.FAILS,
                f"'{caller.username}' is not a member of tenant {', '.join(missing)}",
                "assign the client to it, or correct CAMUNDA_TENANT_IDS",
            )
        return Finding(name, State.WORKS, f"'{caller.username or 'unnamed'}'" + (f", tenants: {', '.join(tenants)}" if tenants else ""))

    async def _polling(self, client: Client) -> Finding:
        name = "fetching jobs"
        if not (self._grpc or self._rest):
            return Finding(name, State.SKIPPED, "neither gRPC nor REST answers")
        way = "gRPC" if self._grpc else "REST"
        jobs = client if self._grpc else client.jobs_over_rest()
        try:
            await jobs.activate_jobs(
                self._job_type,
                worker="camunda-workers connect",
                timeout=timedelta(seconds=1),
                max_jobs=1,
                request_timeout=timedelta(milliseconds=-1),
            )
        except CamundaWorkersError as error:
            return Finding(name, State.FAILS, str(error), advice(error, way))
        return Finding(name, State.WORKS, f"over {way}; whether the rights are there for a type shows only when it has jobs")

    async def _streaming(self, client: Client) -> Finding:
        name = "streaming jobs"
        if not self._grpc:
            return Finding(name, State.SKIPPED, "needs gRPC")
        stream = client.stream_jobs(self._job_type, worker="camunda-workers connect", timeout=timedelta(seconds=1))
        try:
            async with aclosing(stream), asyncio.timeout(min(_QUIET, self._timeout)):
                await anext(stream, None)
            return Finding(
                name, State.WARNS, "the gateway ends the stream at once", "workers will poll; is a proxy in between that cuts long calls?"
            )
        except TimeoutError:
            return Finding(name, State.WORKS, "the stream stays open")
        except NotSupported as error:
            return Finding(name, State.WARNS, str(error), "workers will poll: streaming came with 8.4")
        except CamundaWorkersError as error:
            return Finding(name, State.WARNS, str(error), f"workers will poll. {advice(error, 'gRPC')}")

    async def _user_tasks(self, client: Client) -> Finding:
        name = "user tasks"
        if not self._rest:
            return Finding(name, State.SKIPPED, "need REST")
        try:
            found = await client.search_user_tasks({"state": "CREATED"}, page={"limit": 1})
        except NotSupported as error:
            return Finding(
                name, State.WARNS, str(error), "needs 8.8 with secondary storage (camunda.data.secondary-storage.type is not 'none')"
            )
        except CamundaWorkersError as error:
            return Finding(name, State.WARNS, str(error), advice(error, "REST"))
        more = "more than " if found.has_more_total else ""
        return Finding(name, State.WORKS, f"{more}{found.total} open tasks that we may see")

    def _judged_version(self) -> Finding:
        name = "version"
        known = version_of(self.version)
        if known is None:
            return Finding(name, State.SKIPPED, "not known: nothing answered" if not self.version else f"'{self.version}' cannot be read")
        if known < OLDEST:
            return Finding(
                name, State.WARNS, f"{self.version} is older than {_dotted(OLDEST)}", "best effort; see what is missing below, and upgrade"
            )
        if known > NEWEST:
            return Finding(
                name, State.WARNS, f"{self.version} is newer than what this package was written for ({_dotted(NEWEST)})", "should work"
            )
        return Finding(name, State.WORKS, self.version)


def _softened(finding: Finding, meanwhile: str) -> Finding:
    return replace(finding, state=State.WARNS, fix=f"{meanwhile}; {finding.fix}") if finding.state is State.FAILS else finding


def _claims(token: str) -> str:
    """What a token says about itself, if it is a JWT; it is the cluster's business to verify it."""
    try:
        body = token.split(".")[1]
        claims = cast("dict[str, Any]", json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
        audience = claims.get("aud")
        whom = ", ".join(map(str, cast("list[Any]", audience))) if isinstance(audience, list) else audience
        left = float(claims["exp"]) - time.time()
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return (f" for audience {whom}" if whom else "") + f", valid for {left:.0f} s"


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
