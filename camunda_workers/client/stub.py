"""The gateway protocol's calls as one table: the client's stub and the embedded gateway's server are both made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from camunda_workers.client.proto import gateway_pb2 as pb

SERVICE = "gateway_protocol.Gateway"
"""The service's name on the wire; our messages live in a package of their own so that pyzeebe's can be loaded beside them."""


@dataclass(frozen=True, slots=True)
class Method:
    """One call of the gateway.

    Attributes:
        name: the RPC's name.
        request: the request's message class.
        response: the response's message class.
        streaming: whether the server answers with a stream.
    """

    name: str
    request: type[Message]
    response: type[Message]
    streaming: bool = False

    @property
    def path(self) -> str:
        """The call's path on the wire."""
        return f"/{SERVICE}/{self.name}"


def _unary(name: str) -> Method:
    return Method(name, getattr(pb, f"{name}Request"), getattr(pb, f"{name}Response"))


METHODS: Mapping[str, Method] = {
    **{
        name: _unary(name)
        for name in (
            "BroadcastSignal",
            "CancelProcessInstance",
            "CompleteJob",
            "CreateProcessInstance",
            "CreateProcessInstanceWithResult",
            "DeleteResource",
            "DeployProcess",
            "DeployResource",
            "EvaluateDecision",
            "FailJob",
            "MigrateProcessInstance",
            "ModifyProcessInstance",
            "PublishMessage",
            "ResolveIncident",
            "SetVariables",
            "ThrowError",
            "Topology",
            "UpdateJobRetries",
            "UpdateJobTimeout",
        )
    },
    "ActivateJobs": Method("ActivateJobs", pb.ActivateJobsRequest, pb.ActivateJobsResponse, streaming=True),
    "StreamActivatedJobs": Method("StreamActivatedJobs", pb.StreamActivatedJobsRequest, pb.ActivatedJob, streaming=True),
}


class GatewayStub:
    """Calls of the gateway over one channel: ``stub.CompleteJob(request)`` is awaited, streaming ones are iterated."""

    def __init__(self, channel: Any) -> None:
        for method in METHODS.values():
            factory = channel.unary_stream if method.streaming else channel.unary_unary
            call = factory(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
            setattr(self, method.name, call)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the gateway has no call named {name}")
