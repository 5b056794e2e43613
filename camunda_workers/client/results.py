"""What the gateway's calls answer, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition as one broker holds it."""

    id: int
    role: str
    health: str


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker of the cluster."""

    node_id: int
    host: str
    port: int
    version: str
    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """The cluster as its gateway sees it."""

    gateway_version: str
    cluster_size: int
    partitions_count: int
    replication_factor: int
    brokers: tuple[Broker, ...]


@dataclass(frozen=True, slots=True)
class ProcessDefinition:
    """A process as it was deployed."""

    bpmn_process_id: str
    version: int
    process_definition_key: int
    resource_name: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class DecisionDefinition:
    """A decision as it was deployed."""

    decision_id: str
    name: str
    version: int
    decision_key: int
    decision_requirements_id: str
    decision_requirements_key: int
    tenant_id: str


@dataclass(frozen=True, slots=True)
class DecisionRequirements:
    """A DMN file as it was deployed."""

    decision_requirements_id: str
    name: str
    version: int
    decision_requirements_key: int
    resource_name: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class FormDefinition:
    """A form as it was deployed."""

    form_id: str
    version: int
    form_key: int
    resource_name: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """What one call of ``deploy`` brought; a file that had not changed keeps its version and key."""

    key: int
    tenant_id: str
    processes: tuple[ProcessDefinition, ...]
    decisions: tuple[DecisionDefinition, ...]
    decision_requirements: tuple[DecisionRequirements, ...]
    forms: tuple[FormDefinition, ...]


@dataclass(frozen=True, slots=True)
class ProcessInstance:
    """A process instance that was started."""

    process_instance_key: int
    process_definition_key: int
    bpmn_process_id: str
    version: int
    tenant_id: str
    tags: tuple[str, ...]
    business_id: str | None


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """A process instance that was started and has completed."""

    process_instance_key: int
    process_definition_key: int
    bpmn_process_id: str
    version: int
    tenant_id: str
    tags: tuple[str, ...]
    business_id: str | None
    variables: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PublishedMessage:
    """A message the engine has taken.

    Attributes:
        key: ``None`` when the first answer was lost and the engine then said that a message with this id is already there.
        tenant_id: whose it is.
    """

    key: int | None
    tenant_id: str


@dataclass(frozen=True, slots=True)
class BroadcastSignal:
    """A signal the engine has broadcast."""

    key: int
    tenant_id: str


@dataclass(frozen=True, slots=True)
class MatchedRule:
    """A row of a decision table that applied; outputs by name."""

    rule_id: str
    index: int
    outputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EvaluatedDecision:
    """One decision that was evaluated on the way; inputs by name."""

    decision_id: str
    name: str
    version: int
    type: str
    output: Any
    inputs: Mapping[str, Any]
    matched_rules: tuple[MatchedRule, ...]


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """What a decision answered."""

    output: Any
    decision_id: str
    name: str
    version: int
    decision_key: int
    tenant_id: str
    evaluated: tuple[EvaluatedDecision, ...]
