"""The diagrams of the calls that gateways are compared by."""

from __future__ import annotations

from tests.support.diagrams import process, sequence, service_task

_ERROR = '<bpmn:error id="no" errorCode="NO"/>'
CAUGHT = process(
    "caught",
    sequence(service_task("risky", "risky"))
    + '<bpmn:boundaryEvent id="caught-it" attachedToRef="risky"><bpmn:outgoing>away</bpmn:outgoing>'
    + '<bpmn:errorEventDefinition errorRef="no"/></bpmn:boundaryEvent>'
    + '<bpmn:endEvent id="gone"/><bpmn:sequenceFlow id="away" sourceRef="caught-it" targetRef="gone"/>',
    _ERROR,
)
CALLING = process(
    "calling",
    sequence(
        '<bpmn:callActivity id="call"><bpmn:extensionElements><zeebe:calledElement processId="one-task"/>'
        "</bpmn:extensionElements></bpmn:callActivity>"
    ),
)
TWO = process("two-tasks", sequence(service_task("first", "first"), service_task("second", "second")))
EMPTY = process("empty", sequence())
