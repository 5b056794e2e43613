"""Searches: REST v2 filters, sorts and pages over real records."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camunda_workers.errors import InvalidArgument, NotFound
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.dates import millis_or_none, to_iso, to_millis
from tests.support.recorded import CANCELLED, COMPENSATED, INCIDENT, NOT_COVERED, PAID, WAITING, WITHDRAWN, recorded


@pytest.fixture
async def model() -> AsyncIterator[ReadModel]:
    async with EventLog.open() as log:
        await log.append(recorded())
        yield ReadModel(log)


def names(found: dict[str, Any], field: str = "businessId") -> list[Any]:
    return [item[field] for item in found["items"]]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({}, 8),
        ({"state": "ACTIVE"}, 2),
        ({"state": {"$in": ["ACTIVE", "TERMINATED"]}}, 3),
        ({"state": {"$neq": "COMPLETED"}}, 3),
        ({"state": {"$notIn": ["COMPLETED"]}}, 3),
        ({"businessId": PAID}, 1),
        ({"businessId": None}, 8),
        ({"businessId": {"$exists": False}}, 1),
        ({"businessId": {"$neq": PAID}}, 7),
        ({"businessId": {"$like": "CLM-0002*"}}, 1),
        ({"businessId": {"$like": "clm*"}}, 0),
        ({"businessId": {"$like": "CLM-000?00", "$neq": INCIDENT}}, 5),
        ({"businessId": {"$like": "CLM-000\\*00"}}, 0),
        ({"businessId": {"$like": "[C]LM*"}}, 0),
        ({"hasIncident": True}, 1),
        ({"hasIncident": False}, 7),
        ({"tags": ["channel:web"]}, 7),
        ({"tags": ["channel:web", f"businessId:{PAID}"]}, 1),
        ({"processDefinitionId": "letter"}, 1),
        ({"processDefinitionName": {"$like": "Motor*"}}, 7),
        ({"processDefinitionVersion": {"$gte": 1, "$lt": 2}}, 8),
        ({"processDefinitionVersionTag": "1.0"}, 7),
        ({"parentProcessInstanceKey": {"$exists": True}}, 1),
        ({"endDate": {"$exists": False}}, 2),
        ({"startDate": {"$gt": "2026-11-28T00:00:00Z"}}, 3),
        ({"startDate": {"$lt": "2026-11-24T00:00:00+01:00"}}, 1),
        ({"variables": [{"name": "note", "value": '"called twice"'}]}, 1),
        ({"variables": [{"name": "claim", "value": {"$like": "*8000*"}}]}, 4),
        ({"elementId": "claim-not-covered"}, 1),
        ({"elementId": "assess-claim", "elementInstanceState": "ACTIVE"}, 1),
        ({"errorMessage": {"$like": "*FraudScore*"}}, 1),
        ({"hasElementInstanceIncident": True}, 1),
        ({"hasRetriesLeft": True}, 0),
        ({"$or": [{"state": "ACTIVE"}, {"businessId": PAID}]}, 3),
        ({"$or": [], "state": "ACTIVE"}, 2),
    ],
)
async def test_process_instances(model: ReadModel, filter: dict[str, Any], expected: int) -> None:
    found = await model.search_process_instances(filter)
    assert found["page"]["totalItems"] == expected == len(found["items"])


async def test_states_of_all_cases(model: ReadModel) -> None:
    found = await model.search_process_instances({"parentProcessInstanceKey": {"$exists": False}})
    states = {item["businessId"]: item["state"] for item in found["items"]}
    ended = dict.fromkeys([PAID, NOT_COVERED, COMPENSATED, WITHDRAWN], "COMPLETED")
    assert states == ended | {INCIDENT: "ACTIVE", WAITING: "ACTIVE", CANCELLED: "TERMINATED"}


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"state": "CREATED"}, 1),
        ({"state": "COMPLETED"}, 3),
        ({"state": "CANCELED"}, 2),
        ({"assignee": "bob"}, 2),
        ({"assignee": {"$exists": False}}, 2),
        ({"candidateGroup": "claims-assessors"}, 6),
        ({"candidateGroup": {"$neq": "claims-assessors"}}, 0),
        ({"candidateGroup": {"$in": ["x", "claims-assessors"]}}, 6),
        ({"candidateGroup": {"$notIn": ["x"]}}, 6),
        ({"candidateGroup": {"$like": "claims-*", "$exists": True}}, 6),
        ({"candidateUser": {"$exists": False}}, 6),
        ({"candidateUser": "bob"}, 0),
        ({"priority": {"$gt": 60}}, 1),
        ({"name": "Assess claim", "elementId": "assess-claim"}, 6),
        ({"dueDate": {"$lt": "2026-11-26T00:00:00Z"}}, 1),
        ({"businessId": PAID}, 2),
        ({"processInstanceVariables": [{"name": "claim", "value": {"$like": f"*{PAID}*"}}]}, 2),
        ({"localVariables": [{"name": "claim", "value": {"$exists": True}}]}, 0),
        ({"tags": [f"businessId:{WAITING}"]}, 1),
    ],
)
async def test_user_tasks(model: ReadModel, filter: dict[str, Any], expected: int) -> None:
    assert (await model.search_user_tasks(filter))["page"]["totalItems"] == expected


async def test_a_user_task_in_full(model: ReadModel) -> None:
    (task,) = (await model.search_user_tasks({"businessId": WAITING}))["items"]
    assert task == await model.get_user_task(task["userTaskKey"]) == await model.get_user_task(int(task["userTaskKey"]))
    keys = {name: value for name, value in task.items() if name.endswith("Key")}
    assert all(isinstance(value, str) and value.isdigit() for value in keys.values())
    assert task["rootProcessInstanceKey"] == task["processInstanceKey"]
    assert {name: value for name, value in task.items() if name not in keys} == {
        "name": "Assess claim",
        "state": "CREATED",
        "assignee": "dora",
        "elementId": "assess-claim",
        "candidateGroups": ["claims-assessors"],
        "candidateUsers": [],
        "processDefinitionId": "claim",
        "processDefinitionVersion": 1,
        "processName": "Motor claim",
        "creationDate": "2026-11-28T18:14:37.761Z",
        "completionDate": None,
        "dueDate": "2026-11-30T18:14:37.761Z",
        "followUpDate": None,
        "priority": 60,
        "externalFormReference": None,
        "customHeaders": {},
        "tenantId": "<default>",
        "businessId": WAITING,
        "tags": [f"businessId:{WAITING}", "channel:web"],
    }


async def test_a_denied_completion_leaves_the_task_open_and_names_who_completed_it_in_the_end(model: ReadModel) -> None:
    (instance,) = (await model.search_process_instances({"businessId": PAID}))["items"]
    assert await model.completed_by(instance["processInstanceKey"]) == {"assess-claim": ["bob", "bob"]}


async def test_forms(model: ReadModel) -> None:
    (task,) = (await model.search_user_tasks({"businessId": WAITING}))["items"]
    form = await model.get_user_task_form(task["userTaskKey"])
    assert form is not None
    assert form == await model.get_form(task["formKey"])
    assert json.loads(form["schema"])["id"] == form["formId"] == "claims.assess-claim"
    assert form["version"] == 1
    with pytest.raises(NotFound, match="no form with the key 5"):
        await model.get_form(5)
    (definition,) = (await model.search_process_definitions({"processDefinitionId": "claim", "isLatestVersion": True}))["items"]
    assert await model.get_process_definition_start_form(definition["processDefinitionKey"]) is None


async def test_incidents_reach_everything_around_them(model: ReadModel) -> None:
    found = await model.search_incidents({"state": "ACTIVE"})
    (incident,) = found["items"]
    assert incident["errorType"] == "JOB_NO_RETRIES"
    assert incident["elementId"] == "triage-claim"
    assert incident == await model.get_incident(incident["incidentKey"])
    element = await model.get_element_instance(incident["elementInstanceKey"])
    assert element["hasIncident"]
    assert element["incidentKey"] == incident["incidentKey"]
    assert (await model.search_incidents({"errorMessage": {"$like": "bank*"}}))["items"][0]["state"] == "RESOLVED"


async def test_variables(model: ReadModel) -> None:
    (task,) = (await model.search_user_tasks({"businessId": WAITING}))["items"]
    seen = await model.search_user_task_variables(task["userTaskKey"], sort=[{"field": "name"}])
    assert names(seen, "name") == ["claim", "fraud", "policy", "triage"]
    one = await model.search_user_task_variables(task["userTaskKey"], {"name": {"$like": "fr*"}})
    (fraud,) = one["items"]
    assert json.loads(fraud["value"]) == {"score": 10, "band": "low"}
    assert fraud["isTruncated"] is False
    assert fraud["scopeKey"] == task["processInstanceKey"]
    assert (await model.get_variable(fraud["variableKey"]))["value"] == fraud["value"]


async def test_jobs_and_decisions(model: ReadModel) -> None:
    denied = (await model.search_jobs({"isDenied": True}))["items"]
    assert [job["deniedReason"] for job in denied] == ["four eyes: alice reported this claim herself"]
    thrown = (await model.search_jobs({"state": "ERROR_THROWN"}))["items"]
    assert [(job["errorCode"], job["worker"]) for job in thrown] == [("NO_COVER", "policies")]
    failed = (await model.search_jobs({"hasFailedWithRetriesLeft": False, "state": "FAILED"}))["items"]
    assert [job["elementId"] for job in failed] == ["triage-claim"]
    found = await model.search_decision_instances({"result": {"$like": "*high*"}})
    (decision,) = found["items"]
    whole = await model.get_decision_instance(decision["decisionEvaluationInstanceKey"])
    assert whole["matchedRules"][0]["ruleId"] == "large-claim"
    assert whole["evaluatedInputs"][0]["inputValue"] == "70000"
    assert (await model.search_decision_definitions({"decisionDefinitionId": "fraud-score"}))["page"]["totalItems"] == 1
    assert "fraud-score" in await model.get_decision_definition_xml(decision["decisionDefinitionKey"])
    definition = await model.get_decision_definition(decision["decisionDefinitionKey"])
    assert definition["decisionRequirementsName"] == "Fraud"
    instance = await model.get_process_instance(decision["processInstanceKey"])
    assert 'id="claim"' in await model.get_process_definition_xml(instance["processDefinitionKey"])


async def test_element_names_come_from_the_diagram(model: ReadModel) -> None:
    found = await model.search_element_instances({"elementName": {"$like": "Assess*"}, "type": "USER_TASK"})
    assert found["page"]["totalItems"] == 6
    (payment, *_) = (await model.search_element_instances({"elementId": "payment"}))["items"]
    inner = await model.search_element_instances(
        {"elementInstanceScopeKey": payment["elementInstanceKey"]}, [{"field": "elementInstanceKey"}]
    )
    assert names(inner, "elementName")[0] == "Payment due"


@pytest.mark.parametrize("order", ["ASC", "desc"])
@pytest.mark.parametrize("field", ["endDate", "businessId", "startDate", "state", "processInstanceKey"])
async def test_cursors_walk_the_same_way_as_offsets(model: ReadModel, field: str, order: str) -> None:
    sort = [{"field": field, "order": order}]
    everything = names(await model.search_process_instances(sort=sort), "processInstanceKey")
    by_offset = [
        key
        for start in range(0, 8, 3)
        for key in names(await model.search_process_instances(None, sort, {"from": start, "limit": 3}), "processInstanceKey")
    ]
    assert by_offset == everything
    forwards: list[str] = []
    page: dict[str, Any] = {"limit": 3}
    last: dict[str, Any] = {}
    while (found := await model.search_process_instances(None, sort, page))["items"]:
        assert found["page"]["totalItems"] == 8
        forwards += names(found, "processInstanceKey")
        page, last = {"limit": 3, "after": found["page"]["endCursor"]}, found["page"]
    assert forwards == everything
    back = await model.search_process_instances(None, sort, {"limit": 3, "before": last["startCursor"]})
    assert names(back, "processInstanceKey") == everything[3:6]


async def test_absent_values_come_last_in_both_directions(model: ReadModel) -> None:
    for order in ("ASC", "DESC"):
        found = await model.search_process_instances(sort=[{"field": "endDate", "order": order}])
        assert names(found, "endDate")[-2:] == [None, None]
        assert None not in names(found, "endDate")[:-2]


@pytest.mark.parametrize(
    ("filter", "says"),
    [
        ({"stat": "ACTIVE"}, r"filter\.stat: there is no such filter field; known are .*businessId.*state.*variables"),
        ({"state": "Nope"}, r"filter\.state: Unexpected value 'Nope'.*\[ACTIVE, COMPLETED, SUSPENDED, TERMINATED\]"),
        ({"state": {"$in": ["ACTIVE", "active"]}}, r"filter\.state: Unexpected value 'active'"),
        ({"elementInstanceState": {"$neq": "DONE"}}, r"filter\.elementInstanceState: Unexpected value 'DONE'"),
        ({"businessId": "a\x00b"}, r"filter\.businessId: text cannot hold the character U\+0000"),
        ({"state": {"$gt": "A"}}, r"filter\.state: there is no operator '\$gt' for text; known are \$eq"),
        ({"state": 5}, r"filter\.state: expected text, got 5"),
        ({"state": {"$in": "ACTIVE"}}, "expected a list of values"),
        ({"processInstanceKey": "x; DROP TABLE records"}, r"expected a key \(a number, as text or not\), got"),
        ({"processInstanceKey": 2**70}, "expected a key"),
        ({"processInstanceKey": True}, "expected a key"),
        ({"processDefinitionVersion": "1"}, "expected a whole number"),
        ({"processDefinitionVersion": 2**70}, "expected a whole number"),
        ({"startDate": "yesterday"}, "expected an ISO 8601 date and time"),
        ({"hasIncident": "yes"}, "expected true or false"),
        ({"tags": "a"}, "expected a list of values"),
        ({"variables": [{"name": "x"}]}, "expected a list of objects with name and value"),
        ({"$or": {"state": "ACTIVE"}}, r"filter\.\$or: expected a list of filter objects"),
        ({"$or": [{"x": 1}]}, r"filter\.\$or\.x: there is no such filter field"),
    ],
)
async def test_wrong_filters_are_refused_by_name(model: ReadModel, filter: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        await model.search_process_instances(filter)


@pytest.mark.parametrize(
    ("sort", "page", "says"),
    [
        ([{"field": "tags"}], None, "cannot sort process instances by 'tags'; known are businessId"),
        ([{"field": "state", "order": "UP"}], None, "expected ASC or DESC, got 'UP'"),
        (None, {"limit": -1}, r"page\.limit: expected a whole number from 0 to 10000"),
        (None, {"limit": "5"}, r"page\.limit"),
        (None, {"offset": 1}, r"page\.offset: there is no such field; known are from, limit, after, before"),
        (None, {"from": 1, "after": "x"}, "give one of from, after and before"),
        (None, {"after": "x"}, r"page\.after: this is not a cursor"),
        (None, {"after": "W10="}, "not a cursor"),
        (None, {"before": 5}, "not a cursor"),
        (None, {"after": "W3siYSI6MX1d"}, "not a cursor"),
    ],
)
async def test_wrong_sorts_and_pages_are_refused_by_name(model: ReadModel, sort: Any, page: Any, says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        await model.search_process_instances(None, sort, page)


@pytest.mark.parametrize("hostile", ["' OR 1=1 --", '"; DROP TABLE records; --', "%", "*'", ":key"])
async def test_values_are_never_read_as_sql(model: ReadModel, hostile: str) -> None:
    for asked in (
        {"businessId": hostile},
        {"businessId": {"$in": [hostile]}},
        {"tags": [hostile]},
        {"variables": [{"name": hostile, "value": hostile}]},
    ):
        assert (await model.search_process_instances(asked))["items"] == []
    with pytest.raises(InvalidArgument):
        await model.search_process_instances({hostile: 1})


async def test_what_is_not_there(model: ReadModel) -> None:
    with pytest.raises(NotFound, match="there is no user task with the key 77"):
        await model.get_user_task("77")
    with pytest.raises(InvalidArgument, match="userTaskKey: expected a key"):
        await model.get_user_task("abc")
    with pytest.raises(NotFound, match="no process definition with the key 1"):
        await model.get_process_definition_xml(1)
    with pytest.raises(NotFound, match="no decision definition with the key 1"):
        await model.get_decision_definition_xml(1)


async def test_an_empty_log_answers_with_nothing() -> None:
    async with EventLog.open() as log:
        found = await ReadModel(log).search_user_tasks({"state": "CREATED"})
    assert found == {"items": [], "page": {"totalItems": 0, "hasMoreTotalItems": False, "startCursor": None, "endCursor": None}}


async def test_long_values_are_cut_only_when_asked_for(model: ReadModel) -> None:
    async with EventLog.open() as log:
        lines = [line for line in recorded("paid") if b'"VARIABLE","' in line or b'"valueType":"VARIABLE"' in line]
        raw = json.loads(lines[0])
        raw["value"]["value"] = json.dumps("x" * 10_000)
        await log.append([json.dumps(raw)])
        found = ReadModel(log)
        (cut,) = (await found.search_variables({"isTruncated": True}))["items"]
        (whole,) = (await found.search_variables(truncate=False))["items"]
        assert (len(cut["value"]), cut["isTruncated"], len(whole["value"]), whole["isTruncated"]) == (8191, True, 10_002, False)


@given(st.datetimes(min_value=datetime.fromisoformat("1971-01-01"), max_value=datetime.fromisoformat("2200-01-01")))
def test_moments_come_back_to_the_millisecond(moment: datetime) -> None:
    millis = to_millis(moment.isoformat())
    assert to_millis(to_iso(millis)) == millis
    assert to_millis(f"{moment.isoformat()}Z[Etc/UTC]") == millis


def test_moments_that_cannot_be_read_are_none() -> None:
    assert millis_or_none("") is millis_or_none(None) is millis_or_none("tomorrow") is None
