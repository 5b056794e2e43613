"""A fresh embedded engine for each test: in memory, with virtual time, its records read as they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from camunda_workers.client import Client, ProcessInstance
from camunda_workers.client.business_id import BUSINESS_ID_TAG, tags_with
from camunda_workers.client.queries import camel
from camunda_workers.client.variables import to_json
from camunda_workers.engine.embedded.engine import EmbeddedEngine
from camunda_workers.errors import EngineUnavailable
from camunda_workers.settings import Settings
from camunda_workers.testing.journal import Journal

if TYPE_CHECKING:
    from camunda_workers.engine.embedded.horizon import Horizon

_TASK_FIELDS = {"candidateGroups": "candidateGroupsList", "candidateUsers": "candidateUsersList"}


class EmbeddedGround:
    """An embedded engine of its own; the REST API is served only when somebody asks for its address.

    User tasks are done with the very commands that the REST API would write, without a server in between: a test needs neither a port nor the
    tenth of a second that a web server takes to come and go.
    """

    kind = "embedded"
    is_exact = True

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._stack = AsyncExitStack()
        self._engine: EmbeddedEngine | None = None
        self._client: Client | None = None
        self._journal: Journal | None = None
        self._horizon: Horizon | None = None
        self._rest = ""

    def fresh(self) -> EmbeddedGround:
        """Another one, not started."""
        return EmbeddedGround(self._settings)

    async def start(self) -> None:
        """Start the engine and open a client."""
        try:
            self._engine = await self._stack.enter_async_context(EmbeddedEngine(settings=self._settings))
            from camunda_workers.engine.embedded.horizon import Horizon

            self._horizon = Horizon()
            self._journal = Journal(self._engine.records, self._horizon.apply)
            self._client = await self._stack.enter_async_context(Client(self._engine.grpc_address, "", settings=self._settings))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the client and stop the engine."""
        await self._stack.aclose()

    @property
    def engine(self) -> EmbeddedEngine:
        """The engine itself."""
        if self._engine is None:
            raise EngineUnavailable("the test's engine has not been started")
        return self._engine

    @property
    def client(self) -> Client:
        """An open client of its gRPC gateway."""
        if self._client is None:
            raise EngineUnavailable("the test's engine has not been started")
        return self._client

    @property
    def journal(self) -> Journal:
        """What its records say."""
        assert self._journal is not None
        return self._journal

    def now(self) -> datetime:
        """Its time."""
        return self.engine.now()

    def healthy(self) -> bool:
        """Whether it runs."""
        return self._engine is not None and self._engine.healthy()

    async def advance(self, by: timedelta, timeout: float) -> None:
        """Move its time forward, due time by due time."""
        await self.engine.advance(by, timeout=timeout)

    async def idle(self) -> bool:
        """Whether its log is processed to the end: exact."""
        return await self.engine.is_idle()

    def busy(self, served: frozenset[str]) -> Mapping[int, str]:
        """Jobs that somebody holds, or could take."""
        return self._horizon.busy(served | self.engine.dispatch.served_types()) if self._horizon is not None else {}

    def serves(self, job_type: str) -> bool:
        """Whether somebody polls for the type."""
        return job_type in self.engine.dispatch.served_types()

    async def create(
        self, process_id: str, variables: object, *, version: int, business_id: str | None, tags: Sequence[str],
        start_before: Sequence[str], terminate_after: Sequence[str],
    ) -> ProcessInstance:  # fmt: skip
        """Start a process instance with one command."""
        from camunda_workers.engine.embedded import commands
        from camunda_workers.engine.embedded.documents import to_document

        sent = tags_with(business_id, tags, native=False)
        command = commands.create_instance(
            process_id=process_id, version=version, variables=to_document(to_json(variables)), tags=sent,
            start_elements=start_before, terminate_after=terminate_after,
        )  # fmt: skip
        value = (await self.engine.bridge.execute(command)).value
        shown = tuple(tag for tag in sent if not tag.startswith(BUSINESS_ID_TAG))
        return ProcessInstance(
            value["processInstanceKey"], value["processDefinitionKey"], value["bpmnProcessId"], value["version"], "", shown, business_id
        )

    async def complete_task(self, key: int, variables: Mapping[str, Any], action: str) -> None:
        """Complete a user task."""
        from camunda_workers.engine.embedded import commands
        from camunda_workers.engine.embedded.documents import to_document

        await self.engine.bridge.execute(commands.complete_user_task(key, to_document(to_json(variables)), action))

    async def assign_task(self, key: int, assignee: str, *, allow_override: bool, action: str) -> None:
        """Assign a user task."""
        from camunda_workers.engine.embedded import commands

        await self.engine.bridge.execute(commands.assign_user_task(key, assignee, allow_override=allow_override, action=action))

    async def unassign_task(self, key: int) -> None:
        """Take the assignee off a user task."""
        from camunda_workers.engine.embedded import commands

        await self.engine.bridge.execute(commands.unassign_user_task(key))

    async def update_task(self, key: int, changes: Mapping[str, Any], action: str) -> None:
        """Change a user task's attributes."""
        from camunda_workers.engine.embedded import commands

        named = {_TASK_FIELDS.get(camel(name), camel(name)): value for name, value in changes.items()}
        await self.engine.bridge.execute(commands.update_user_task(key, named, action))

    async def correlate(self, name: str, correlation_key: str, variables: Mapping[str, Any]) -> None:
        """Correlate a message now."""
        from camunda_workers.engine.embedded import commands
        from camunda_workers.engine.embedded.documents import to_document

        value = {
            "name": name, "correlationKey": correlation_key, "variables": to_document(to_json(variables)), "tenantId": commands.DEFAULT_TENANT,
        }  # fmt: skip
        await self.engine.bridge.execute(commands.Command("MESSAGE_CORRELATION", "CORRELATE", value))

    async def rest_address(self) -> str:
        """Serve REST on a free port, once."""
        if not self._rest:
            from camunda_workers.engine.embedded.rest.server import start_rest

            server, port = await start_rest(self.engine, 0)
            self._stack.push_async_callback(server.stop, None)
            self._rest = f"http://127.0.0.1:{port}"
        return self._rest
