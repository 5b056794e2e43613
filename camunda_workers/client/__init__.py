"""The typed client of a Camunda 8 engine, embedded, broker or cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from camunda_workers.lazy import lazily

if TYPE_CHECKING:
    from camunda_workers.client.business_id import BUSINESS_ID_TAG, business_id_of
    from camunda_workers.client.client import Client
    from camunda_workers.client.deploy import Resource
    from camunda_workers.client.documents import DocumentMetadata, DocumentReference
    from camunda_workers.client.models import Form, Incident, Page, ProcessInstanceItem, UserTask, VariableItem
    from camunda_workers.client.operations import Activate
    from camunda_workers.client.queries import UserTaskFilter
    from camunda_workers.client.results import (
        BroadcastSignal,
        DecisionDefinition,
        DecisionResult,
        Deployment,
        FormDefinition,
        ProcessDefinition,
        ProcessInstance,
        ProcessResult,
        PublishedMessage,
        Topology,
    )
    from camunda_workers.client.retry import BackOff

__all__ = [
    "BUSINESS_ID_TAG",
    "Activate",
    "BackOff",
    "BroadcastSignal",
    "Client",
    "DecisionDefinition",
    "DecisionResult",
    "Deployment",
    "DocumentMetadata",
    "DocumentReference",
    "Form",
    "FormDefinition",
    "Incident",
    "Page",
    "ProcessDefinition",
    "ProcessInstance",
    "ProcessInstanceItem",
    "ProcessResult",
    "PublishedMessage",
    "Resource",
    "Topology",
    "UserTask",
    "UserTaskFilter",
    "VariableItem",
    "business_id_of",
]

# Loaded when first used: the engine needs the protocol's messages alone, and httpx and pydantic take longer than they do.
_MODULES = {
    "business_id": ("BUSINESS_ID_TAG", "business_id_of"),
    "client": ("Client",),
    "deploy": ("Resource",),
    "documents": ("DocumentMetadata", "DocumentReference"),
    "models": ("Form", "Incident", "Page", "ProcessInstanceItem", "UserTask", "VariableItem"),
    "operations": ("Activate",),
    "queries": ("UserTaskFilter",),
    "results": (
        "BroadcastSignal",
        "DecisionDefinition",
        "DecisionResult",
        "Deployment",
        "FormDefinition",
        "ProcessDefinition",
        "ProcessInstance",
        "ProcessResult",
        "PublishedMessage",
        "Topology",
    ),
    "retry": ("BackOff",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


__getattr__ = lazily(__name__, _MODULE_OF)


def __dir__() -> list[str]:
    return __all__
