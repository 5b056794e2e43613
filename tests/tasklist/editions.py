"""The reference application's files as an engine before 8.8 takes them."""

from __future__ import annotations

from camunda_workers.client import Resource
from tests.support.tasks_ground import ROOT

CLAIMS = ROOT / "bpmn" / "claims" / "claims.bpmn"
_EVENTS = ((b'eventType="assigning"', b'eventType="assignment"'), (b'eventType="completing"', b'eventType="complete"'))


def with_early_listeners() -> Resource:
    """The claims process, the events of its task listeners named as 8.6 reads them."""
    content = CLAIMS.read_bytes()
    for now, then in _EVENTS:
        assert now in content
        content = content.replace(now, then)
    return Resource(CLAIMS.name, content)
