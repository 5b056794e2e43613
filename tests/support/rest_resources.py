"""What the tour through the REST API deploys: one small file for each thing that can happen."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.support.diagrams import process, sequence, service_task, timer
from tests.support.resources import form, table

MESSAGE = (
    '<bpmn:message id="paper" name="paper"><bpmn:extensionElements><zeebe:subscription correlationKey="=id"/>'
    "</bpmn:extensionElements></bpmn:message>"
)
WAITING = '<bpmn:intermediateCatchEvent id="wait"><bpmn:messageEventDefinition messageRef="paper"/></bpmn:intermediateCatchEvent>'
REVIEW = (
    '<bpmn:userTask id="review" name="Review it"><bpmn:extensionElements><zeebe:userTask/>'
    '<zeebe:assignmentDefinition candidateGroups="readers"/><zeebe:formDefinition formId="tour-form"/>'
    "</bpmn:extensionElements></bpmn:userTask>"
)
CALL = (
    '<bpmn:callActivity id="call"><bpmn:extensionElements><zeebe:calledElement processId="tour-broken"/>'
    "</bpmn:extensionElements></bpmn:callActivity>"
)
AD_HOC = '<bpmn:adHocSubProcess id="tools"><bpmn:task id="look"/><bpmn:task id="ask"/></bpmn:adHocSubProcess>'
RESOURCES: Mapping[str, bytes] = {
    "work.bpmn": process("tour-work", sequence(service_task("work", "work", {"channel": "mail"}), REVIEW)),
    "message.bpmn": process("tour-message", sequence(WAITING), MESSAGE),
    "broken.bpmn": process("tour-broken", sequence(service_task("break", "break", retries=1))),
    "parent.bpmn": process("tour-parent", sequence(CALL)),
    "ad-hoc.bpmn": process("tour-ad-hoc", sequence(AD_HOC)),
    "timer.bpmn": process("tour-timer", sequence(timer("pause", "PT1H"))),
    "rate.dmn": table("tour-rate"),
    "tour.form": form("tour-form"),
    "script.rpa": json.dumps({"id": "tour-script", "name": "script", "script": "*** Tasks ***"}).encode(),
}
