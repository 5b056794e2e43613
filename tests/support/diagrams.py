"""Small diagrams for engine tests, built from their parts so that a test shows what matters to it."""

from __future__ import annotations

from itertools import pairwise

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" '
    'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="definitions" targetNamespace="http://bpmn.io/schema/bpmn">'
)


def process(process_id: str, body: str, extra: str = "") -> bytes:
    """Return a BPMN file with one executable process."""
    return f'{_HEAD}{extra}<bpmn:process id="{process_id}" isExecutable="true">{body}</bpmn:process></bpmn:definitions>'.encode()


def sequence(*elements: str) -> str:
    """Return elements joined by sequence flows, from a start event ``started`` to an end event ``ended``."""
    ids = ["started", *(element.split('id="', 1)[1].split('"', 1)[0] for element in elements), "ended"]
    flows = "".join(
        f'<bpmn:sequenceFlow id="flow-{number}" sourceRef="{source}" targetRef="{target}"/>'
        for number, (source, target) in enumerate(pairwise(ids))
    )
    return f'<bpmn:startEvent id="started"/>{"".join(elements)}<bpmn:endEvent id="ended"/>{flows}'


def service_task(element_id: str, job_type: str, headers: dict[str, str] | None = None, retries: int = 3) -> str:
    """Return a service task."""
    shown = "".join(f'<zeebe:header key="{key}" value="{value}"/>' for key, value in (headers or {}).items())
    task_headers = f"<zeebe:taskHeaders>{shown}</zeebe:taskHeaders>" if shown else ""
    definition = f'<zeebe:taskDefinition type="{job_type}" retries="{retries}"/>'
    return f'<bpmn:serviceTask id="{element_id}"><bpmn:extensionElements>{definition}{task_headers}</bpmn:extensionElements></bpmn:serviceTask>'


def user_task(element_id: str, *, group: str = "", listener: tuple[str, str] | None = None) -> str:
    """Return a Camunda user task; ``listener`` is an event type and a job type."""
    parts = "<zeebe:userTask/>"
    if group:
        parts += f'<zeebe:assignmentDefinition candidateGroups="{group}"/>'
    if listener:
        parts += f'<zeebe:taskListeners><zeebe:taskListener eventType="{listener[0]}" type="{listener[1]}"/></zeebe:taskListeners>'
    return f'<bpmn:userTask id="{element_id}"><bpmn:extensionElements>{parts}</bpmn:extensionElements></bpmn:userTask>'


def timer(element_id: str, duration: str) -> str:
    """Return an intermediate timer."""
    definition = f"<bpmn:timerEventDefinition><bpmn:timeDuration>{duration}</bpmn:timeDuration></bpmn:timerEventDefinition>"
    return f'<bpmn:intermediateCatchEvent id="{element_id}">{definition}</bpmn:intermediateCatchEvent>'


ONE_TASK = process("one-task", sequence(service_task("work", "work")))
