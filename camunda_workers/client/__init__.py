"""The typed client of a Camunda 8 engine, embedded, broker or cluster."""

from __future__ import annotations

from camunda_workers.client.business_id import BUSINESS_ID_TAG, business_id_of
from camunda_workers.client.client import Client
from camunda_workers.client.deploy import Resource
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
