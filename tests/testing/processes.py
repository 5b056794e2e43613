"""Small processes for tests of the kit."""

from __future__ import annotations

from camunda_workers.client import Resource
from tests.support.diagrams import process, sequence, service_task, timer, user_task

ORDER = Resource(
    "order.bpmn", process("order", sequence(service_task("price", "price"), user_task("approve", group="boss"), timer("cool-off", "PT48H")))
)
"""price (job) > approve (user task) > cool-off (48 h)."""

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"

ROUTES = Resource(
    "routes.bpmn",
    process(
        "routes",
        """
        <bpmn:startEvent id="begun"><bpmn:outgoing>to-check</bpmn:outgoing></bpmn:startEvent>
        <bpmn:sequenceFlow id="to-check" sourceRef="begun" targetRef="check"/>
        <bpmn:serviceTask id="check" name="Check cover"><bpmn:extensionElements><zeebe:taskDefinition type="check" retries="3"/>
        </bpmn:extensionElements><bpmn:incoming>to-check</bpmn:incoming><bpmn:outgoing>to-question</bpmn:outgoing></bpmn:serviceTask>
        <bpmn:boundaryEvent id="no-cover" attachedToRef="check"><bpmn:outgoing>to-refused</bpmn:outgoing>
        <bpmn:errorEventDefinition errorRef="no-cover-error"/></bpmn:boundaryEvent>
        <bpmn:sequenceFlow id="to-refused" sourceRef="no-cover" targetRef="refused"/>
        <bpmn:endEvent id="refused"><bpmn:incoming>to-refused</bpmn:incoming></bpmn:endEvent>
        <bpmn:sequenceFlow id="to-question" sourceRef="check" targetRef="large"/>
        <bpmn:exclusiveGateway id="large" name="Large?" default="no"><bpmn:incoming>to-question</bpmn:incoming><bpmn:outgoing>yes</bpmn:outgoing>
        <bpmn:outgoing>no</bpmn:outgoing></bpmn:exclusiveGateway>
        <bpmn:sequenceFlow id="yes" sourceRef="large" targetRef="wait-for-papers">
        <bpmn:conditionExpression xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="bpmn:tFormalExpression">=amount &gt; 100
        </bpmn:conditionExpression></bpmn:sequenceFlow>
        <bpmn:sequenceFlow id="no" sourceRef="large" targetRef="done"/>
        <bpmn:intermediateCatchEvent id="wait-for-papers"><bpmn:incoming>yes</bpmn:incoming><bpmn:outgoing>to-done</bpmn:outgoing>
        <bpmn:messageEventDefinition messageRef="papers"/></bpmn:intermediateCatchEvent>
        <bpmn:sequenceFlow id="to-done" sourceRef="wait-for-papers" targetRef="done"/>
        <bpmn:endEvent id="done"><bpmn:incoming>no</bpmn:incoming><bpmn:incoming>to-done</bpmn:incoming></bpmn:endEvent>
        """,
        """
        <bpmn:error id="no-cover-error" errorCode="NO_COVER"/>
        <bpmn:message id="papers" name="papers"><bpmn:extensionElements><zeebe:subscription correlationKey="=id"/></bpmn:extensionElements></bpmn:message>
        """,
    ),
)
"""check (job, error boundary NO_COVER > refused) > large? amount > 100: wait for message papers by id, else done."""

CALLS = Resource(
    "calls.bpmn",
    process(
        "calls",
        sequence(
            '<bpmn:callActivity id="ship"><bpmn:extensionElements><zeebe:calledElement processId="shipping" propagateAllChildVariables="true"/>'
            "</bpmn:extensionElements></bpmn:callActivity>",
            '<bpmn:businessRuleTask id="rate"><bpmn:extensionElements><zeebe:calledDecision decisionId="rating" resultVariable="rate"/>'
            "</bpmn:extensionElements></bpmn:businessRuleTask>",
        ),
    ),
)
"""Calls the process shipping, then asks the decision rating."""

REVIEW = Resource("review.bpmn", process("reviewing", sequence(user_task("review", group="team", listener=("completing", "check-review")))))
"""A user task whose completion a listener may deny."""

RATING = Resource(
    "rating.dmn",
    b"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="ratings" name="ratings" namespace="http://camunda.org/schema/1.0/dmn">
  <decision id="rating" name="Rating"><decisionTable id="table" hitPolicy="FIRST">
    <input id="in" label="weight"><inputExpression id="expression" typeRef="number"><text>weight</text></inputExpression></input>
    <output id="out" name="rate" typeRef="string"/>
    <rule id="light"><inputEntry id="a"><text>&lt; 10</text></inputEntry><outputEntry id="b"><text>"cheap"</text></outputEntry></rule>
    <rule id="heavy"><inputEntry id="c"><text>-</text></inputEntry><outputEntry id="d"><text>"dear"</text></outputEntry></rule>
  </decisionTable></decision>
</definitions>""",
)
"""weight < 10: cheap (rule light); else dear (rule heavy)."""
