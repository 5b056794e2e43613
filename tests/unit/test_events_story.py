"""A case's story, told from real records."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from camunda_workers.errors import NotFound
from camunda_workers.events import CaseStory, EventLog, case_story
from camunda_workers.events.bpmn import read_diagram
from camunda_workers.events.story import Actor, Tone, duration
from camunda_workers.events.story.words import brief, cut, variables
from tests.support.recorded import CANCELLED, COMPENSATED, INCIDENT, NOT_COVERED, PAID, WAITING, WITHDRAWN, changed, recorded

NOW = datetime(2026, 11, 28, 19, 0, tzinfo=UTC)


@pytest.fixture
async def log() -> AsyncIterator[EventLog]:
    async with EventLog.open() as opened:
        await opened.append(recorded())
        yield opened


def told(story: CaseStory) -> list[str]:
    return [f"{step.actor} {step.who or '-'} | {step.element} | {step.what}" for step in story.steps]


async def test_the_paid_case_from_end_to_end(log: EventLog) -> None:
    story = await case_story(log, PAID)
    assert (story.state, [one.process for one in story.instances]) == ("completed", ["Motor claim", "Letter"])
    assert story.ended is not None
    assert story.duration == story.ended - story.started > timedelta(days=4)
    assert told(story) == [
        "engine - | Claim reported | case opened",
        "service policies | Check policy | completed",
        "rules Fraud score | Score fraud | decided: score 10, band low",
        "agent ai:claim-triage | Triage claim | completed",
        "engine - | Assess claim | task opened for claims-assessors",
        "timer - | Not assessed in 48 hours | time is up (1 h late)",
        "service escalations | Escalate assessment | completed",
        "engine - | Assessment escalated | reached",
        "person alice | Assess claim | claimed",
        "person alice | Assess claim | completion denied",
        "person - | Assess claim | assigned to bob",
        "person bob | Assess claim | completed",
        "rules - | Documents needed? | answer: yes-documents",
        "message documents-received | Documents received | arrived",
        "engine - | Assess claim | task opened for claims-assessors",
        "person - | Assess claim | task changed",
        "person bob | Assess claim | claimed",
        "person bob | Assess claim | completed",
        "rules - | Documents needed? | answer: no",
        "service payments | Pay claim | failed, 1 try left",
        "service payments | Pay claim | failed, no tries left",
        "engine - | Pay claim | incident: no tries left",
        "operator - | Pay claim | tries set to 1",
        "operator - | Pay claim | incident resolved",
        "service payments | Pay claim | completed",
        "engine - | Payment made | reached",
        "timer - | Payment settled | time is up (6 min late)",
        "rules - | Payment refused by bank? | answer: bank-ok",
        "engine - | Tell claimant | process 'Letter' called",
        "service letters | Write letter | completed",
        "engine - | Letter sent | reached",
        "engine - | Claim paid | reached",
    ]
    by_what = {step.what: step for step in story.steps}
    assert by_what["completion denied"].details == ("four eyes: alice reported this claim herself",)
    assert by_what["completion denied"].tone is Tone.BAD
    assert by_what["decided: score 10, band low"].details == ("rule 2 (ordinary-claim) for Total amount 12500",)
    assert by_what["task changed"].details == ("priority 90",)
    assert by_what["incident resolved"].took is not None
    assert duration(by_what["incident resolved"].took) == "3 h"
    assert [step.depth for step in story.steps[-4:]] == [1, 1, 1, 0]
    agent = next(step for step in story.steps if step.actor is Actor.AGENT)
    assert agent.details == ("triage: route assess", "62% sure: Two vehicles, no police report.")
    assert story.waits == ()


@pytest.mark.parametrize(
    ("case", "state", "end"),
    [
        (
            NOT_COVERED,
            "completed",
            [
                "service policies | Check policy | error NO_COVER",
                "engine - | No cover | error caught",
                "engine - | Claim not covered | reached",
            ],
        ),
        (
            COMPENSATED,
            "completed",
            [
                "engine - | Reverse payment | undoes 'Pay claim'",
                "service payments | Reverse payment | completed",
                "engine - | Payment undone | compensation finished",
                "engine - | Payment undone, claim closed | reached",
            ],
        ),
        (
            WITHDRAWN,
            "completed",
            [
                "message claim-withdrawn | Claim withdrawn | arrived",
                "engine - | Assess claim | task withdrawn",
                "engine - | Claim closed as withdrawn | reached",
            ],
        ),
        (
            CANCELLED,
            "terminated",
            [
                "operator - | Motor claim | variable note set",
                "engine - | Assess claim | task withdrawn",
                "operator - | Motor claim | cancelled",
            ],
        ),
    ],
)
async def test_how_other_cases_end(log: EventLog, case: str, state: str, end: list[str]) -> None:
    story = await case_story(log, case)
    assert (story.state, told(story)[-len(end) :], story.waits) == (state, end, ())


async def test_what_an_open_case_waits_for(log: EventLog) -> None:
    story = await case_story(log, WAITING, now=NOW)
    assert story.state == "active"
    assert story.ended is None
    assert story.told_at == NOW
    task, *optional = story.waits
    assert (task.actor, task.who, task.element, task.what) == (Actor.PERSON, "dora", "Assess claim", "dora to complete it")
    assert task.due == datetime(2026, 11, 30, 18, 14, 37, 761000, tzinfo=UTC)
    assert [(wait.actor, wait.element, wait.optional) for wait in optional] == [
        (Actor.MESSAGE, "Claim withdrawn", True),
        (Actor.TIMER, "Not assessed in 48 hours", True),
    ]


async def test_a_stuck_case_waits_for_somebody_to_resolve_it(log: EventLog) -> None:
    story = await case_story(log, INCIDENT, now=NOW)
    assert [wait.actor for wait in story.waits if not wait.optional] == [Actor.OPERATOR]
    assert "is not what FraudScore expects" in story.waits[0].what


async def test_at_every_moment_of_a_case_there_is_a_story() -> None:
    lines = [line for line in recorded("paid") if b"PROCESS_INSTANCE_CREATION" not in line or b'"CREATED"' in line]
    async with EventLog.open() as log:
        seen: set[str] = set()
        for start in range(0, len(lines), 3):
            await log.append(lines[start : start + 3])
            if PAID in await log.business_ids():
                story = await case_story(log, PAID)
                json.dumps(story.to_json())
                seen |= {f"{wait.actor} {wait.element}" for wait in story.waits if not wait.optional}
    assert seen >= {
        "service Check policy",
        "person Assess claim",
        "message Documents received",
        "operator Pay claim",
        "timer Payment settled",
        "service Write letter",
    }


async def test_agents_can_be_named(log: EventLog) -> None:
    story = await case_story(log, INCIDENT, agent_job_types={"triage-claim"})
    assert "agent ai:claim-triage | Triage claim | failed, no tries left" in told(story)


async def test_the_virtual_clock_can_be_ahead_of_ours(log: EventLog) -> None:
    story = await case_story(log, WAITING, now=datetime(2020, 1, 1, tzinfo=UTC))
    assert story.told_at == story.steps[-1].time
    assert story.duration > timedelta(0)


async def test_near_matches_are_named(log: EventLog) -> None:
    with pytest.raises(NotFound, match=r"no case 'CLM-00123'; did you mean 'CLM-000123'"):
        await case_story(log, "CLM-00123")
    with pytest.raises(NotFound, match=r"no case 'zzz'; the latest are 'CLM-000700', .* and 'CLM-000300'"):
        await case_story(log, "zzz")


async def test_a_log_without_cases_says_so() -> None:
    async with EventLog.open() as log:
        await log.append(recorded("paid")[:1])
        with pytest.raises(NotFound, match="the event log in memory holds no cases yet"):
            await case_story(log, PAID)


async def test_without_a_diagram_ids_stand_for_names() -> None:
    def without_diagram(line: bytes) -> bytes:
        raw = json.loads(line)
        return changed(line, value={**raw["value"], "resource": ""}) if raw["valueType"] == "PROCESS" else line

    async with EventLog.open() as log:
        await log.append([without_diagram(line) for line in recorded("paid", "not-covered")])
        story = await case_story(log, NOT_COVERED)
    assert told(story)[-1] == "engine - | claim-not-covered | reached"
    assert story.instances[0].process == "claim"


def altered(value_type: str, intent: str, **fields: Any) -> bytes:
    """One more record of the waiting case."""
    last = json.loads(recorded()[-1])
    instance = next(
        raw["value"]
        for raw in map(json.loads, recorded("waiting"))
        if f"businessId:{WAITING}" in raw["value"].get("tags", ()) and raw["key"] > 0
    )
    value = {
        "processInstanceKey": instance["processInstanceKey"],
        "processDefinitionKey": instance["processDefinitionKey"],
        "elementId": "assess-claim",
    }
    envelope = {"recordType": "EVENT", "position": last["position"] + 1, "key": 4711, "valueType": value_type, "intent": intent}
    return json.dumps({**last, **envelope, "value": value | fields}).encode()


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (altered("JOB", "TIMED_OUT", type="x", worker="w"), "service w | Assess claim | did not answer in time, handed out again"),
        (
            altered("JOB", "FAILED", type="four-eyes", jobKind="TASK_LISTENER", retries=2),
            "service four-eyes | Assess claim | listener four-eyes: failed, 2 tries left",
        ),
        (altered("PROCESS_INSTANCE_MODIFICATION", "MODIFIED"), "operator - | Assess claim | process instance modified"),
        (altered("PROCESS_INSTANCE_MIGRATION", "MIGRATED"), "operator - | Assess claim | moved to another version of the process"),
        (
            altered("ESCALATION", "NOT_ESCALATED", escalationCode="E1"),
            "engine - | Assess claim | escalation E1 was raised, nothing caught it",
        ),
        (
            altered("DECISION_EVALUATION", "FAILED", decisionName="D", evaluationFailureMessage="no"),
            "rules D | Assess claim | decision failed",
        ),
        (altered("USER_TASK", "ASSIGNED", assignee="", action="unassign"), "person - | Assess claim | given back"),
        (
            altered("USER_TASK", "ASSIGNMENT_DENIED", assignee="eve", deniedReason="no"),
            "person - | Assess claim | assignment to eve denied",
        ),
        (altered("USER_TASK", "CREATED"), "engine - | Assess claim | task opened, for nobody in particular"),
        (altered("PROCESS_INSTANCE", "ELEMENT_COMPLETED", bpmnElementType="SCRIPT_TASK", elementId="x"), "engine - | x | done"),
        (
            altered("PROCESS_INSTANCE", "ELEMENT_COMPLETED", bpmnElementType="END_EVENT", bpmnEventType="ERROR", elementId="x"),
            "engine - | x | reached, error thrown",
        ),
        (altered("INCIDENT", "CREATED", errorType="SOMETHING_NEW", errorMessage="m"), "engine - | Assess claim | incident: something new"),
    ],
)
async def test_what_else_can_happen(log: EventLog, record: bytes, expected: str) -> None:
    await log.append([record])
    assert told(await case_story(log, WAITING))[-1] == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"), (0.38, "380 ms"), (1.26, "1.3 s"), (12.4, "12 s"), (59, "59 s"),
        (60, "1 min"), (3599, "1 h"), (3600, "1 h"), (8100, "2 h 15 min"), (86_400, "1 d"), (273_600, "3 d 4 h"), (-60, "-1 min"),
    ],
)  # fmt: skip
def test_durations(seconds: float, expected: str) -> None:
    assert duration(timedelta(seconds=seconds)) == expected


def test_values_in_a_few_words() -> None:
    assert (
        brief({"ok": True, "n": None, "list": [1, 2, 3, 4], "deep": {"a": {"b": 1}}})
        == "ok yes, list [1, 2, 3 and 1 more], deep a {1 fields}"
    )
    assert brief({"list": [None], "amount": 0.1 + 0.2, "note": ""}) == "amount 0.3, list [none]"
    assert variables({"a": 1, "b": {"c": 2}}) == "a: 1; b: c 2"
    assert cut("x" * 500, 10) == "xxxxxxxxx…"
    assert cut("a\n  b\tc") == "a b c"


BOMB = b"""<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"><process id="p" name="&b;"><task id="t" name="T"/></process></definitions>"""


@pytest.mark.parametrize(
    "xml", [BOMB, b"<open", b"", b"\x00\x01", b"<definitions/>", BOMB.replace(b'"aaaaaaaaaa"', b'SYSTEM "file:///etc/passwd"')]
)
def test_a_diagram_that_must_not_be_read_has_no_names(xml: bytes) -> None:
    assert read_diagram(xml, "p").elements == {}


def test_a_diagram_is_read_for_the_process_that_was_asked_for() -> None:
    xml = b"""<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:z="http://camunda.org/schema/zeebe/1.0">
    <process id="q"><task id="other"/></process>
    <process id="p" name="A&#10; B"><!-- no --><startEvent id="s"><extensionElements><z:formDefinition formId="f"/></extensionElements></startEvent>
    <sequenceFlow id="x" sourceRef="s" name="go"/></process></definitions>"""
    diagram = read_diagram(xml, "p")
    assert (diagram.name, diagram.start_form_id, set(diagram.elements)) == ("A B", "f", {"p", "s", "x"})
    assert (diagram.elements["x"].source, diagram.elements["x"].name) == ("s", "go")
