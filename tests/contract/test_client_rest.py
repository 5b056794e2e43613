"""The client against a real HTTP server that answers as told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from camunda_workers.client import BackOff, Client, UserTaskFilter
from camunda_workers.errors import (
    AlreadyExists,
    BackPressure,
    DeadlineExceeded,
    EngineError,
    EngineFailure,
    EngineUnavailable,
    InvalidArgument,
    InvalidState,
    NotFound,
    NotSupported,
    PermissionDenied,
    Unauthenticated,
)
from camunda_workers.settings import Settings
from tests.support.scripted_engine import Asked, Reply, ScriptedRest, problem, scripted_rest

pytestmark = pytest.mark.asyncio

QUICK = BackOff(attempts=3, first=0.01, longest=0.02)
COMPLETION = "POST /v2/user-tasks/7/completion"


@pytest_asyncio.fixture
async def rest() -> AsyncIterator[ScriptedRest]:
    async with scripted_rest() as running:
        yield running


@pytest_asyncio.fixture
async def client(rest: ScriptedRest) -> AsyncIterator[Client]:
    async with Client(settings=Settings(rest_address=rest.address, request_timeout=5.0), back_off=QUICK) as opened:
        yield opened


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (problem(400, "INVALID_ARGUMENT", "x"), InvalidArgument),
        (problem(400, "Bad Request", "x"), InvalidArgument),
        (problem(401, "Unauthorized", "x"), Unauthenticated),
        (problem(403, "FORBIDDEN", "x"), PermissionDenied),
        (problem(404, "NOT_FOUND", "x"), NotFound),
        (problem(409, "INVALID_STATE", "x"), InvalidState),
        (problem(409, "ALREADY_EXISTS", "x"), AlreadyExists),
        (problem(409, "Conflict", "Command 'CREATE' rejected with code 'ALREADY_EXISTS': x"), AlreadyExists),
        (problem(422, "Unprocessable", "x"), InvalidArgument),
        (problem(429, "Too Many Requests", "x"), BackPressure),
        (problem(503, "RESOURCE_EXHAUSTED", "x"), BackPressure),
        (problem(503, "UNAVAILABLE", "x"), EngineUnavailable),
        (problem(504, "DEADLINE_EXCEEDED", "x"), DeadlineExceeded),
        (problem(500, "INTERNAL_SERVER_ERROR", "x"), EngineFailure),
        (problem(599, "odd", "x"), EngineFailure),
        (problem(418, "odd", "x"), InvalidArgument),
        (problem(501, "x", "x"), NotSupported),
        (Reply(502, b"<html>bad gateway x</html>"), EngineUnavailable),
        (Reply(404, b"x"), NotSupported),
        (Reply(302, b"", {"location": "/login?x"}), Unauthenticated),
        (Reply(200, b"<html>x</html>"), EngineFailure),
    ],
)
async def test_each_answer_is_an_error_of_ours(rest: ScriptedRest, client: Client, reply: Reply, kind: type[EngineError]) -> None:
    rest.script("GET /v2/user-tasks/7", reply)
    with pytest.raises(kind) as caught:
        await client.get_user_task(7)
    assert type(caught.value) is kind
    assert "GET /user-tasks/7" in str(caught.value)


async def test_a_denial_keeps_its_reason(rest: ScriptedRest, client: Client) -> None:
    detail = (
        "Command 'COMPLETE' rejected with code 'INVALID_STATE': "
        "Completion of the User Task with key '7' was denied by Task Listener. Reason to deny: 'four eyes'"
    )
    rest.script(COMPLETION, problem(409, "INVALID_STATE", detail))
    with pytest.raises(InvalidState, match=r"^POST /user-tasks/7/completion: Completion of .* Reason to deny: 'four eyes'$"):
        await client.complete_user_task(7)


async def test_a_busy_engine_is_asked_again(rest: ScriptedRest, client: Client) -> None:
    rest.script(COMPLETION, problem(503, "RESOURCE_EXHAUSTED", "busy"), Reply(204))
    await client.complete_user_task(7, {"amount": 1}, action="approve")
    assert [asked.body for asked in rest.asked] == [{"variables": {"amount": 1}, "action": "approve"}] * 2


@pytest.mark.parametrize("reply", [Reply(502), Reply(504), problem(503, "UNAVAILABLE", "connection reset")])
async def test_a_completion_that_may_have_happened_is_not_repeated(rest: ScriptedRest, client: Client, reply: Reply) -> None:
    rest.script(COMPLETION, reply)
    with pytest.raises((EngineUnavailable, DeadlineExceeded)):
        await client.complete_user_task(7)
    assert len(rest.asked) == 1


async def test_reading_is_repeated(rest: ScriptedRest, client: Client) -> None:
    rest.script("POST /v2/user-tasks/search", Reply(502), Reply(504), Reply(200, {"items": [], "page": {"totalItems": 0}}))
    assert await client.search_user_tasks() == []
    assert len(rest.asked) == 3


async def test_a_slow_answer_is_a_deadline(rest: ScriptedRest) -> None:
    rest.script(COMPLETION, Reply(204, delay=2))
    async with Client(settings=Settings(rest_address=rest.address, request_timeout=0.2), back_off=QUICK) as client:
        with pytest.raises(DeadlineExceeded, match="may have been executed"):
            await client.complete_user_task(7)


async def test_nobody_there() -> None:
    async with Client(rest_address="http://127.0.0.1:1", back_off=QUICK) as client:
        with pytest.raises(EngineUnavailable, match=r"no engine answered at http://127\.0\.0\.1:1"):
            await client.complete_user_task(7)


async def test_commands_are_worded_as_the_api_wants(rest: ScriptedRest, client: Client) -> None:
    for call in ("POST /v2/user-tasks/7/assignment", "DELETE /v2/user-tasks/7/assignee", "PATCH /v2/user-tasks/7"):
        rest.script(call, Reply(204))
    await client.assign_user_task(7, "ada")
    await client.assign_user_task(7, "ada", allow_override=False, action="claim")
    await client.unassign_user_task(7)
    await client.update_user_task(7, {"candidate_groups": ["a"], "dueDate": datetime(2026, 1, 2, tzinfo=UTC), "priority": 80})
    bodies = [asked.body for asked in rest.asked]
    assert bodies[0] == {"assignee": "ada", "allowOverride": True}
    assert bodies[1] == {"assignee": "ada", "allowOverride": False, "action": "claim"}
    assert bodies[3] == {"changeset": {"candidateGroups": ["a"], "dueDate": "2026-01-02T00:00:00+00:00", "priority": 80}}
    with pytest.raises(InvalidArgument, match="assignee cannot be changed so"):
        await client.update_user_task(7, {"assignee": "bob"})


async def test_a_task_from_an_older_or_newer_engine_is_read(rest: ScriptedRest, client: Client) -> None:
    newer: dict[str, Any] = {
        "userTaskKey": "2251799813685300",
        "state": "SOMETHING_NEW",
        "processInstanceKey": "9",
        "formKey": None,
        "candidateGroups": None,
        "customHeaders": None,
        "priority": None,
        "dueDate": "2026-01-02T03:04:05.000Z",
        "invented": {"a": 1},
    }
    rest.script("GET /v2/user-tasks/7", Reply(200, newer), Reply(200, {"userTaskKey": 7}))
    task = await client.get_user_task(7)
    assert (task.key, task.state, task.process_instance_key, task.candidate_groups, task.priority) == (
        2251799813685300,
        "SOMETHING_NEW",
        9,
        [],
        50,
    )
    assert task.due_date == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert task.model_extra == {"invented": {"a": 1}}
    assert (await client.get_user_task(7)).key == 7


async def test_a_form_and_no_form(rest: ScriptedRest, client: Client) -> None:
    rest.script(
        "GET /v2/user-tasks/7/form", Reply(200, {"formKey": "5", "formId": "f", "version": 2, "schema": '{"components": []}'}), Reply(204)
    )
    form = await client.get_user_task_form(7)
    assert form is not None
    assert (form.form_key, form.form_id, form.schema) == (5, "f", {"components": []})
    assert await client.get_user_task_form(7) is None


async def test_an_unreadable_answer_is_the_engines_failure(rest: ScriptedRest, client: Client) -> None:
    rest.script("GET /v2/user-tasks/7", Reply(200, {"state": "CREATED"}))
    with pytest.raises(EngineFailure, match="UserTask"):
        await client.get_user_task(7)
    rest.script("POST /v2/incidents/search", Reply(200, {"items": [{"no": "key"}]}))
    with pytest.raises(EngineFailure, match="incidents"):
        await client.search_incidents()


async def test_searches(rest: ScriptedRest, client: Client) -> None:
    page = {"totalItems": 12, "hasMoreTotalItems": True, "endCursor": "c"}
    rest.script("POST /v2/user-tasks/search", Reply(200, {"items": [{"userTaskKey": "1"}], "page": page}))
    rest.script(
        "POST /v2/process-instances/search",
        Reply(200, {"items": [{"processInstanceKey": "2", "state": "ACTIVE", "tags": ["businessId:x"]}]}),
    )
    rest.script("POST /v2/incidents/search", Reply(200, {"items": [{"incidentKey": "3", "errorType": "JOB_NO_RETRIES"}]}))
    rest.script("POST /v2/variables/search", Reply(200, {"items": [{"name": "a", "value": '{"b": 1}'}]}))
    found = await client.search_user_tasks(
        UserTaskFilter(state="CREATED", process_instance_key=9, due_date={"$lt": datetime(2026, 1, 1, tzinfo=UTC)}),
        ["-due_date", "priority"],
        {"from": 0, "limit": 1},
    )
    assert ([task.key for task in found], found.total, found.end_cursor, found.has_more_total) == ([1], 12, "c", True)
    assert rest.asked[0].body == {
        "filter": {"state": "CREATED", "processInstanceKey": "9", "dueDate": {"$lt": "2026-01-01T00:00:00+00:00"}},
        "sort": [{"field": "dueDate", "order": "DESC"}, {"field": "priority", "order": "ASC"}],
        "page": {"from": 0, "limit": 1},
    }
    assert (await client.search_process_instances({"tags": ["businessId:x"]}))[0].process_instance_key == 2
    assert (await client.search_incidents({"state": "ACTIVE"}))[0].error_type == "JOB_NO_RETRIES"
    assert (await client.search_variables({"processInstanceKey": 2}, truncate=False))[0].parsed == {"b": 1}
    assert rest.asked[-1].query == "truncateValues=false"


async def test_a_refused_token_is_renewed_once(rest: ScriptedRest) -> None:
    tokens = iter(["OLD", "NEW"])
    rest.script("POST /token", lambda _: Reply(200, {"access_token": next(tokens), "expires_in": 300}))

    def guarded(asked: Asked) -> Reply:
        return (
            Reply(200, {"userTaskKey": "1"}) if asked.headers["authorization"] == "Bearer NEW" else problem(401, "Unauthorized", "expired")
        )

    rest.script("GET /v2/user-tasks/1", guarded)
    settings = Settings(rest_address=rest.address, client_id="me", client_secret=SecretStr("s"), oauth_url=f"{rest.address}/token")
    async with Client(settings=settings, back_off=QUICK) as client:
        assert (await client.get_user_task(1)).key == 1
    assert len(rest.asked) == 4
