"""Our errors as the status codes of Camunda's gateway."""

from __future__ import annotations

import grpc

from camunda_workers import errors

_CODES: dict[type[errors.EngineError], grpc.StatusCode] = {
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.InvalidState: grpc.StatusCode.FAILED_PRECONDITION,
    errors.BackPressure: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.EngineUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.NotSupported: grpc.StatusCode.UNIMPLEMENTED,
}


def status_of(error: errors.EngineError) -> grpc.StatusCode:
    """Return the status code for an error."""
    return _CODES.get(type(error), grpc.StatusCode.INTERNAL)
