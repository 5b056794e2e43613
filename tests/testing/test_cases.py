"""Camunda's JSON test cases: every instruction, both shapes, and what is said of a wrong file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from camunda_workers.cli.test import app
from camunda_workers.client import Resource
from camunda_workers.errors import ConfigurationError, InvalidArgument
from camunda_workers.testing import CamundaTest, ExpectationFailed
from camunda_workers.testing.cases import model
from camunda_workers.testing.cases.actions import duration
from camunda_workers.testing.cases.read import KNOWN, BadTestCases, find, read
from camunda_workers.testing.cases.resources import resources_for
from camunda_workers.testing.cases.run import run_case
from camunda_workers.testing.handles import Instance
from tests.support.diagrams import process, sequence, service_task, user_task
from tests.testing.processes import CALLS, ORDER, RATING, REVIEW, ROUTES

EXAMPLE = Resource(
    "example.bpmn",
    process(
        "example",
        sequence(
            service_task("work", "work").replace(
                "</bpmn:extensionElements>",
                '<zeebe:properties><zeebe:property name="camundaModeler:exampleOutputJson" value="{&#34;made&#34;: 1}"/></zeebe:properties>'
                "</bpmn:extensionElements>",
            ),
            user_task("check"),
        ).replace('id="check"', 'id="check" name="Check&#10;it"'),
    ),
)
SIGNALS = Resource(
    "signals.bpmn",
    process(
        "signals",
        sequence(
            '<bpmn:intermediateCatchEvent id="alarm"><bpmn:signalEventDefinition signalRef="fire"/></bpmn:intermediateCatchEvent>',
            '<bpmn:adHocSubProcess id="tools"><bpmn:extensionElements><zeebe:taskDefinition type="agent"/></bpmn:extensionElements>'
            '<bpmn:scriptTask id="hammer"><bpmn:extensionElements><zeebe:script expression="=nails + 1" resultVariable="out"/>'
            "</bpmn:extensionElements></bpmn:scriptTask></bpmn:adHocSubProcess>",
        ),
        '<bpmn:signal id="fire" name="fire"/>',
    ),
)
START = "CREATE_PROCESS_INSTANCE"


def case(*instructions: dict[str, Any]) -> model.TestCase:
    return model.TestCases.model_validate({"testCases": [{"name": "case", "instructions": list(instructions)}]}).test_cases[0]


def start(process_id: str, **variables: Any) -> dict[str, Any]:
    return {"type": START, "processDefinitionSelector": {"processDefinitionId": process_id}, "variables": variables}


def of(process_id: str) -> dict[str, Any]:
    return {"processInstanceSelector": {"processDefinitionId": process_id}}


async def test_a_whole_path_with_mocks_time_and_assertions(camunda: CamundaTest) -> None:
    mine = of("order")
    await run_case(
        camunda,
        case(
            {"type": "MOCK_JOB_WORKER_COMPLETE_JOB", "jobType": "price", "variables": {"amount": 120}},
            start("order", customer="Ada"),
            {"type": "ASSERT_ELEMENT_INSTANCES", **mine, "elementSelectors": [{"elementId": "approve"}], "state": "IS_ACTIVE"},
            {"type": "ASSERT_ELEMENT_INSTANCES", **mine, "elementSelectors": [{"elementId": "approve"}], "state": "IS_ACTIVE_EXACTLY"},
            {"type": "ASSERT_ELEMENT_INSTANCE", **mine, "elementSelector": {"elementId": "price"}, "state": "IS_COMPLETED", "amount": 1},
            {"type": "ASSERT_ELEMENT_INSTANCES", **mine, "elementSelectors": [{"elementId": "price"}], "state": "IS_NOT_ACTIVE"},
            {"type": "ASSERT_ELEMENT_INSTANCES", **mine, "elementSelectors": [{"elementId": "ended"}], "state": "IS_NOT_ACTIVATED"},
            {"type": "ASSERT_USER_TASK", "userTaskSelector": {"elementId": "approve"}, "state": "IS_CREATED", "candidateGroups": ["boss"]},
            {"type": "UPDATE_VARIABLES", **mine, "variables": {"note": "x"}},
            {
                "type": "UPDATE_VARIABLES", **mine, "elementSelector": {"elementId": "approve"}, "createLocalVariables": True,
                "variables": {"local": 1},
            },
            {"type": "ASSERT_VARIABLES", **mine, "elementSelector": {"elementId": "approve"}, "variables": {"local": 1}},
            {"type": "COMPLETE_USER_TASK", "userTaskSelector": {"processDefinitionId": "order"}, "variables": {"approved": True}},
            {"type": "INCREASE_TIME", "duration": "P2DT1H"},
            {
                "type": "ASSERT_ELEMENT_INSTANCES", **mine, "state": "IS_COMPLETED_IN_ORDER",
                "elementSelectors": [{"elementId": "started"}, {"elementId": "price"}, {"elementId": "approve"}],
            },
            {"type": "ASSERT_VARIABLES", **mine, "variableNames": ["note"], "variables": {"amount": 120, "approved": True}},
            {"type": "ASSERT_VARIABLE", **mine, "variableName": "amount", "satisfiesExpression": "amount > 100 and customer = \"Ada\""},
            {"type": "ASSERT_PROCESS_INSTANCE", **mine, "state": "IS_COMPLETED", "hasActiveIncidents": False},
        ),
        [ORDER],
    )  # fmt: skip


async def test_jobs_and_messages(camunda: CamundaTest) -> None:
    mine = of("routes")
    papers = {"messageName": "papers", "correlationKey": "A"}
    waiting = {"type": "ASSERT_PROCESS_INSTANCE_MESSAGE_SUBSCRIPTION", **mine, "messageSelector": papers}
    await run_case(
        camunda,
        case(
            start("routes", id="A", amount=500),
            {"type": "COMPLETE_JOB", "jobSelector": {"elementId": "check"}, "variables": {"checked": True}},
            {**waiting, "state": "IS_WAITING"},
            {"type": "CORRELATE_MESSAGE", "name": "papers", "correlationKey": "A", "variables": {"pages": 2}},
            {**waiting, "state": "IS_CORRELATED"},
            {**waiting, "state": "IS_NOT_WAITING"},
            {"type": "ASSERT_VARIABLES", **mine, "variables": {"pages": 2, "checked": True}},
            {"type": "ASSERT_PROCESS_INSTANCE", **mine, "state": "IS_COMPLETED"},
        ),
        [ROUTES],
    )


async def test_bpmn_errors_from_a_job_and_from_a_mock(camunda: CamundaTest) -> None:
    refused = {"type": "ASSERT_ELEMENT_INSTANCES", **of("routes"), "elementSelectors": [{"elementId": "refused"}], "state": "IS_COMPLETED"}
    name = {"type": "ASSERT_ELEMENT_INSTANCE", **of("routes"), "elementSelector": {"elementName": "Check cover"}, "state": "IS_TERMINATED"}
    thrown = {
        "type": "THROW_BPMN_ERROR_FROM_JOB",
        "jobSelector": {"jobType": "check", "processDefinitionId": "routes"},
        "errorCode": "NO_COVER",
    }
    await run_case(camunda, case(start("routes", id="A", amount=1), thrown, refused, name), [ROUTES])
    async with CamundaTest() as other:
        mock = {"type": "MOCK_JOB_WORKER_THROW_BPMN_ERROR", "jobType": "check", "errorCode": "NO_COVER", "errorMessage": "none"}
        await run_case(other, case(mock, start("routes", id="A", amount=1), refused), [ROUTES])


async def test_incidents(camunda: CamundaTest) -> None:
    mine = of("routes")
    at_gateway = {"incidentSelector": {"processDefinitionId": "routes"}}
    await run_case(
        camunda,
        case(
            start("routes", id="A", amount="many"),
            {"type": "COMPLETE_JOB", "jobSelector": {"processDefinitionId": "routes"}},
            {"type": "ASSERT_PROCESS_INSTANCE", **mine, "state": "IS_ACTIVE", "hasActiveIncidents": True},
            {"type": "ASSERT_INCIDENT", **at_gateway, "state": "IS_ACTIVE", "errorType": "EXTRACT_VALUE_ERROR", "elementId": "large"},
            {"type": "UPDATE_VARIABLES", **mine, "variables": {"amount": 1}},
            {"type": "RESOLVE_INCIDENT", **at_gateway},
            {"type": "ASSERT_INCIDENT", **at_gateway, "state": "IS_RESOLVED"},
            {"type": "ASSERT_PROCESS_INSTANCE", **mine, "state": "IS_COMPLETED"},
        ),
        [ROUTES],
    )


async def test_children_decisions_and_example_data(camunda: CamundaTest) -> None:
    decided = {"type": "ASSERT_DECISION", "decisionSelector": {"decisionDefinitionName": "Rating"}}
    await run_case(
        camunda,
        case(
            {"type": "MOCK_CHILD_PROCESS", "processDefinitionId": "shipping", "variables": {"weight": 3}},
            start("calls"),
            {**decided, "output": "cheap", "matchedRules": [1], "notMatchedRules": [2]},
            {"type": "EVALUATE_DECISION", "decisionDefinitionSelector": {"decisionDefinitionId": "rating"}, "variables": {"weight": 30}},
            {**decided, "output": "dear", "matchedRules": [2]},
            {"type": "MOCK_DMN_DECISION", "decisionDefinitionId": "rating", "decisionOutput": "mocked"},
            start("calls"),
            {"type": "ASSERT_DECISION", "decisionSelector": {"decisionDefinitionId": "rating"}, "output": "mocked", "noMatchedRules": True},
            {"type": "MOCK_JOB_WORKER_COMPLETE_JOB", "jobType": "work", "useExampleData": True},
            start("example"),
            {"type": "ASSERT_VARIABLES", **of("example"), "variables": {"made": 1}},
            {
                "type": "ASSERT_USER_TASK",
                "userTaskSelector": {"taskName": "Check it"},
                "elementId": "check",
                "name": "Check it",
                "priority": 50,
            },
        ),
        [CALLS, RATING, EXAMPLE],
    )


async def test_signals_ad_hoc_sub_processes_and_set_time(camunda: CamundaTest) -> None:
    agent = {"type": "COMPLETE_JOB_AD_HOC_SUB_PROCESS", "jobSelector": {"jobType": "agent"}}
    await run_case(
        camunda,
        case(
            start("signals"),
            {"type": "SET_TIME", "time": "2100-01-19T13:00:00Z"},
            {"type": "BROADCAST_SIGNAL", "signalName": "fire", "variables": {"nails": 1}},
            {**agent, "activateElements": [{"elementId": "hammer", "variables": {"nails": 2}}]},
            {"type": "ASSERT_ELEMENT_INSTANCE", **of("signals"), "elementSelector": {"elementId": "hammer"}, "state": "IS_COMPLETED"},
            {**agent, "completionConditionFulfilled": True},
            {"type": "ASSERT_PROCESS_INSTANCE", **of("signals"), "state": "IS_COMPLETED"},
        ),
        [SIGNALS],
    )
    assert camunda.now().year == 2100


async def test_conditional_behaviour_acts_by_itself(camunda: CamundaTest) -> None:
    asked = {"type": "ASSERT_USER_TASK", "userTaskSelector": {"elementId": "review"}, "state": "IS_CREATED"}
    listener = {"type": "COMPLETE_JOB_USER_TASK_LISTENER", "jobSelector": {"jobType": "check-review"}, "corrections": {"priority": 70}}
    await run_case(
        camunda,
        case(
            {
                "type": "CONDITIONAL_BEHAVIOR",
                "conditions": [asked],
                "actions": [{"type": "COMPLETE_USER_TASK", "userTaskSelector": {"elementId": "review"}}],
            },
            start("reviewing"),
            listener,
            {"type": "ASSERT_PROCESS_INSTANCE", **of("reviewing"), "state": "IS_COMPLETED"},
            {"type": "ASSERT_USER_TASK", "userTaskSelector": {"elementId": "review"}, "state": "IS_COMPLETED", "priority": 70},
        ),
        [REVIEW],
    )


async def test_a_failure_names_the_instruction_and_tells_the_story(camunda: CamundaTest) -> None:
    with pytest.raises(ExpectationFailed) as failed:
        await run_case(camunda, case(start("order"), {"type": "ASSERT_PROCESS_INSTANCE", **of("order"), "state": "IS_COMPLETED"}), [ORDER])
    assert "instruction 2, ASSERT_PROCESS_INSTANCE: expected the process instance to be completed, but it is active" in str(failed.value)
    assert "waits for  price: a worker for 'price'" in str(failed.value)


BAD: list[tuple[str, str]] = [
    ("{", r"x\.test\.json:1:2: not JSON"),
    ("[]", "no test cases: expected an object with 'testCases'"),
    ('{"testCases": 1}', "'testCases': Input should be a valid"),
    ('{"testCases": [1]}', r"test case '\?': Input should be"),
    ('{"testCases": [{"instructions": []}]}', r"test case '\?', 'name': this field is missing"),
    ('{"testCases": [{"name": "a", "instructions": 1}]}', "test case 'a', 'instructions': Input should be a valid"),
]


@pytest.mark.parametrize(("content", "words"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_wrong_files_are_refused_in_words(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "x.test.json"
    path.write_text(content)
    with pytest.raises(BadTestCases, match=words):
        read(path)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"type": "DO_MAGIC"}, "'a', instruction 1: unknown instruction DO_MAGIC"),
    ({"type": "COMPLETE_JOBS"}, "did you mean COMPLETE_JOB"),
    ({"type": "RELEASE_JOB"}, "RELEASE_JOB needs an engine of Camunda 8.11"),
    ({"type": "ASSERT_VARIABLE_SIMILAR_TO"}, "asks a language model"),
    ({**start("order"), "stubCallActivities": True}, "'stubCallActivities' needs an engine of Camunda 8.11"),
    ({}, "has no 'type'"),
    ({"type": "INCREASE_TIME", "time": 1}, "instruction 1 (INCREASE_TIME), 'duration'"),
    ({"type": "COMPLETE_JOB", "jobSelector": {}}, "names nothing: give one of jobType"),
    ({"type": "CONDITIONAL_BEHAVIOR", "conditions": [{"type": "RUN_CALLED_PROCESS"}], "actions": []}, "RUN_CALLED_PROCESS needs"),
]


@pytest.mark.parametrize(("instruction", "words"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_a_case_that_cannot_be_run_is_refused_and_the_others_of_its_file_run(
    tmp_path: Path, instruction: dict[str, Any], words: str
) -> None:
    path = tmp_path / "x.test.json"
    cases = [{"name": "a", "instructions": [instruction]}, {"name": "b", "refusal": "no", "instructions": [start("order")]}]
    path.write_text(json.dumps({"testCases": cases}))
    refused, other = read(path).test_cases
    assert words in refused.refusal
    assert not refused.instructions
    assert not other.refusal
    assert len(other.instructions) == 1


def test_the_command_says_what_was_refused_and_runs_the_rest(tmp_path: Path) -> None:
    (tmp_path / "order.bpmn").write_bytes(ORDER.content)
    active = {"type": "ASSERT_PROCESS_INSTANCE", **of("order"), "state": "IS_ACTIVE"}
    cases = [
        {"name": "new", "instructions": [{**start("order"), "reserveJobs": True}]},
        {"name": "old", "instructions": [start("order"), active]},
    ]
    (tmp_path / "x.test.json").write_text(json.dumps({"testCases": cases}))
    done = CliRunner().invoke(app, [str(tmp_path), "--record", str(tmp_path / "failed"), "--json"])
    told = json.loads(done.output)
    assert done.exit_code == 1
    assert (told["passed"], told["failed"]) == (1, 1)
    assert "'reserveJobs' needs an engine of Camunda 8.11" in told["testCases"][0]["failure"]


async def test_variables_of_an_element_are_local_when_that_is_said(camunda: CamundaTest) -> None:
    update = {"type": "UPDATE_VARIABLES", **of("order"), "elementSelector": {"elementId": "price"}}
    await run_case(
        camunda,
        case(
            start("order"),
            {**update, "createLocalVariables": True, "variables": {"near": 1}},
            {**update, "variables": {"far": 2}},
            {"type": "ASSERT_VARIABLES", **of("order"), "elementSelector": {"elementId": "price"}, "variables": {"near": 1}},
            {"type": "ASSERT_VARIABLES", **of("order"), "variables": {"far": 2}},
        ),
        [ORDER],
    )
    [order] = camunda.journal.instances.values()
    assert "near" not in await Instance(camunda, order.key, "order").variables()


async def test_a_stand_in_for_a_process_can_bear_a_version_tag(camunda: CamundaTest) -> None:
    called = '<zeebe:calledElement processId="shipping" bindingType="versionTag" versionTag="v7" propagateAllChildVariables="true"/>'
    calls = Resource(
        "calls-tagged.bpmn",
        process(
            "calls-tagged",
            sequence(f'<bpmn:callActivity id="ship"><bpmn:extensionElements>{called}</bpmn:extensionElements></bpmn:callActivity>'),
        ),
    )
    mock = {"type": "MOCK_CHILD_PROCESS", "processDefinitionId": "shipping", "versionTag": "v7", "variables": {"parcel": 3}}
    done = {"type": "ASSERT_PROCESS_INSTANCE", **of("calls-tagged"), "state": "IS_COMPLETED"}
    seen = {"type": "ASSERT_VARIABLES", **of("calls-tagged"), "variables": {"parcel": 3}}
    await run_case(camunda, case(mock, start("calls-tagged"), done, seen), [calls])


def test_every_instruction_of_the_published_schema_is_known() -> None:
    published = {
        "ASSERT_DECISION", "ASSERT_ELEMENT_INSTANCE", "ASSERT_ELEMENT_INSTANCES", "ASSERT_PROCESS_INSTANCE", "ASSERT_VARIABLES",
        "ASSERT_PROCESS_INSTANCE_MESSAGE_SUBSCRIPTION", "ASSERT_USER_TASK", "BROADCAST_SIGNAL", "COMPLETE_JOB", "COMPLETE_USER_TASK",
        "COMPLETE_JOB_AD_HOC_SUB_PROCESS", "COMPLETE_JOB_USER_TASK_LISTENER", "CORRELATE_MESSAGE", "CREATE_PROCESS_INSTANCE", "INCREASE_TIME",
        "EVALUATE_CONDITIONAL_START_EVENT", "EVALUATE_DECISION", "MOCK_CHILD_PROCESS", "MOCK_DMN_DECISION", "MOCK_JOB_WORKER_COMPLETE_JOB",
        "MOCK_JOB_WORKER_THROW_BPMN_ERROR", "PUBLISH_MESSAGE", "RESOLVE_INCIDENT", "SET_TIME", "THROW_BPMN_ERROR_FROM_JOB", "UPDATE_VARIABLES",
    }  # fmt: skip
    assert published | {"ASSERT_VARIABLE", "ASSERT_INCIDENT", "CONDITIONAL_BEHAVIOR"} == set(KNOWN)


def test_files_are_found_by_name_and_folder_and_their_diagrams_around_them(tmp_path: Path) -> None:
    folder = tmp_path / "bpmn" / "order" / "scenarios"
    folder.mkdir(parents=True)
    (folder.parent / "order.bpmn").write_bytes(ORDER.content)
    (tmp_path / "pyproject.toml").touch()
    content: dict[str, Any] = {
        "$schema": "x",
        "processId": "order",
        "testCases": [{"name": "a", "metadata": {}, "instructions": [start("order")]}],
    }
    (folder / "happy.json").write_text(json.dumps(content))
    (folder / "data.json").write_text("{}")
    (tmp_path / "other.test.json").write_text(json.dumps({"testCases": []}))
    assert find([tmp_path]) == [folder / "happy.json", tmp_path / "other.test.json"]
    with pytest.raises(BadTestCases, match="no such file"):
        find([tmp_path / "nowhere"])
    assert resources_for(folder / "happy.json", read(folder / "happy.json")) == [folder.parent / "order.bpmn"]
    (folder.parent / "calls.bpmn").write_bytes(CALLS.content)
    (folder.parent / "rating.dmn").write_bytes(RATING.content)
    (folder.parent / "newer.bpmn").write_text("<not-a-diagram/>")
    calls = model.TestCases.model_validate({"testCases": [{"name": "a", "instructions": [start("calls")]}]})
    assert [path.name for path in resources_for(folder / "happy.json", calls)] == ["calls.bpmn", "rating.dmn"]
    missing = model.TestCases.model_validate({"testCases": [{"name": "a", "instructions": [start("nowhere")]}]})
    with pytest.raises(ConfigurationError, match="no diagram with process nowhere"):
        resources_for(folder / "happy.json", missing)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("PT1H", 1), ("P2D", 48), ("P1W", 168), ("PT90M", 1.5), ("P1DT1H", 25), ("PT0.5H", None), ("P1M", None), ("-PT1H", None), ("", None)],
)
def test_durations(text: str, hours: float | None) -> None:
    if hours is None:
        with pytest.raises(InvalidArgument):
            duration(text)
    else:
        assert duration(text).total_seconds() == hours * 3600
