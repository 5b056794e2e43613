"""Every error this package raises, as one tree.

::

    CamundaWorkersError
    ├── ConfigurationError          settings, camunda-workers.toml, a worker's signature
    │   └── MissingExtra            an optional part is not installed
    ├── SetupError                  something could not be fetched or prepared
    ├── BadResource                 a BPMN, DMN or form file that must not be deployed (names the file)
    ├── ReadModelError              the event log cannot be read or written
    ├── EngineError                 the engine (or the way to it) answered with an error
    │   ├── EngineUnavailable       nobody answered; worth trying again
    │   ├── BackPressure            the engine is busy; worth trying again
    │   ├── DeadlineExceeded        no answer in time; the command may have been executed
    │   ├── NotFound                no such key, process, task ... (or no longer)
    │   ├── AlreadyExists           a message id, a tenant ... that is already there
    │   ├── InvalidArgument         the command itself is wrong
    │   ├── InvalidState            the command is right, but not now
    │   ├── PermissionDenied        known, but not allowed
    │   ├── Unauthenticated         not known
    │   ├── NotSupported            this engine cannot do that
    │   └── EngineFailure           the engine says it failed
    └── JobOutcome                  raised by a worker function to say how its job ends
        ├── BpmnError               a business error the diagram catches
        └── JobFailed               a technical failure: retries left, back-off

Errors from libraries (grpc, httpx, JPype) are mapped to this tree where they enter, most specific first, and stay attached as ``__cause__``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar


class CamundaWorkersError(Exception):
    """The root. Its text says what happened and, where that is known, what to do."""


class ConfigurationError(CamundaWorkersError):
    """A setting, the project file or a worker's signature cannot be used."""


class MissingExtra(ConfigurationError):
    """An optional part of the package is needed but not installed."""

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the extra '{extra}': pip install 'camunda-workers[{extra}]'")
        self.extra = extra


class SetupError(CamundaWorkersError):
    """Something that is fetched or built once could not be; the text is one line and says what to do."""


class BadResource(CamundaWorkersError):
    """A file that must not or cannot be deployed.

    Attributes:
        resource: the file's name as it was given.
        element: the BPMN or DMN element at fault, where one is known.
    """

    def __init__(self, resource: str, reason: str, *, element: str | None = None) -> None:
        place = f"{resource}, element '{element}'" if element else resource
        super().__init__(f"{place}: {reason}")
        self.resource = resource
        self.element = element
        self.reason = reason


class ReadModelError(CamundaWorkersError):
    """The event log or something derived from it cannot be read or written."""


class EngineError(CamundaWorkersError):
    """The engine, or the way to it, answered with an error."""

    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later without anything being changed."""


class EngineUnavailable(EngineError):
    """No engine answered at the address."""

    retryable = True


class BackPressure(EngineError):
    """The engine is busy and refused the command before executing it."""

    retryable = True


class DeadlineExceeded(EngineError):
    """No answer in time. The command may or may not have been executed."""

    retryable = True


class NotFound(EngineError):
    """No such thing, or no longer: normal for a job that timed out, was superseded or cancelled."""


class AlreadyExists(EngineError):
    """The engine already has one with this id."""


class InvalidArgument(EngineError):
    """The command itself is wrong; sending it again will not help."""


class InvalidState(EngineError):
    """The command is right but the thing is in another state (completed, denied by a listener, ...)."""


class PermissionDenied(EngineError):
    """The caller is known but not allowed to do this."""


class Unauthenticated(EngineError):
    """The caller is not known: credentials missing, wrong or expired."""


class NotSupported(EngineError):
    """This engine or its version cannot do this."""


class EngineFailure(EngineError):
    """The engine reports a failure of its own."""


class JobOutcome(CamundaWorkersError):
    """Raised by a worker function to end its job in another way than by returning."""


class BpmnError(JobOutcome):
    """A business error that the diagram catches with an error event.

    Subclass it, set ``code`` to the error code in the diagram and declare it: ``@worker("check-policy", errors=[NoCover])``.

    Args:
        message: for people; stored with the error event.
        variables: process variables to set in the catching scope.
    """

    code: ClassVar[str] = ""

    def __init__(self, message: str = "", *, variables: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.variables: Mapping[str, Any] = variables or {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.code:
            raise ConfigurationError(
                f"{cls.__qualname__} is a BpmnError without a code: set the class attribute 'code' to the error code in the diagram"
            )


class JobFailed(JobOutcome):
    """A technical failure with a say in what comes next.

    Args:
        message: for people; becomes the incident's text when no retries are left.
        retries: retries that remain; ``None`` takes one off, ``0`` raises an incident now.
        back_off: how long the engine waits before the next try; ``None`` follows the worker's policy.
        variables: set in the task's local scope, visible to whoever looks at the incident.
    """

    def __init__(
        self,
        message: str,
        *,
        retries: int | None = None,
        back_off: timedelta | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retries = retries
        self.back_off = back_off
        self.variables: Mapping[str, Any] = variables or {}
