"""OpenTelemetry spans, and a trace that follows the case: its context is a process variable (W3C trace context)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, assert_never, cast

from camunda_workers.errors import MissingExtra
from camunda_workers.worker.context import JobContext
from camunda_workers.worker.kinds import JobKind
from camunda_workers.worker.middleware import CallNext
from camunda_workers.worker.outcome import Bpmn, Completed, Denied, Failed, Outcome

TRACE_VARIABLE: Final = "traceContext"
"""The process variable that carries ``traceparent`` and ``tracestate``."""


class Tracing:
    """A middleware that makes a span for each job.

    The first job of a process instance that completes puts its context into `TRACE_VARIABLE`; spans of later jobs belong to the same trace.
    Whoever starts an instance inside of a span of his own passes `trace_variables` along, and the trace begins there.

    Args:
        tracer_provider: where spans go; OpenTelemetry's global one when not given.

    Raises:
        MissingExtra: the extra ``otel`` is not installed.
    """

    variables = (TRACE_VARIABLE,)

    def __init__(self, tracer_provider: Any = None) -> None:
        self._api = _api()
        self._tracer: Any = self._api.get_tracer("camunda_workers", tracer_provider=tracer_provider)

    async def __call__(self, call_next: CallNext, context: JobContext) -> Outcome:
        """See `camunda_workers.worker.middleware`."""
        carried = _carried(context)
        kind = self._api.SpanKind.CONSUMER
        attributes = {f"camunda.{name}": value for name, value in context.log_keys().items()}
        attributes["camunda.retries"] = context.retries
        with self._tracer.start_as_current_span(
            f"{context.bpmn_process_id}/{context.element_id}",
            context=_propagator().extract(carried) if carried else None,
            kind=kind,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            outcome = await call_next(context)
            self._note(span, outcome)
            if carried or not isinstance(outcome, Completed) or context.kind is not JobKind.BPMN_ELEMENT:
                return outcome
            # Listeners set no variables; the first task of the instance hands its context on.
            return replace(outcome, variables={**outcome.variables, TRACE_VARIABLE: trace_variables()[TRACE_VARIABLE]})

    def _note(self, span: Any, outcome: Outcome) -> None:
        status = self._api.Status
        code = self._api.StatusCode
        span.set_attribute("camunda.outcome", type(outcome).__name__.lower())
        match outcome:
            case Failed():
                span.set_status(status(code.ERROR, outcome.message))
                if outcome.cause is not None:
                    span.record_exception(outcome.cause)
            case Bpmn():
                # A business error is no defect.
                span.set_attribute("camunda.error_code", outcome.code)
            case Completed() | Denied():
                pass
            case _:
                assert_never(outcome)


def trace_variables() -> dict[str, dict[str, str]]:
    """Variables that hand the current span on: ``client.start("claim", {**variables, **trace_variables()})``.

    Raises:
        MissingExtra: the extra ``otel`` is not installed.
    """
    _api()
    carrier: dict[str, str] = {}
    _propagator().inject(carrier)
    return {TRACE_VARIABLE: carrier}


def _carried(context: JobContext) -> Mapping[str, str]:
    try:
        value = context.variables.get(TRACE_VARIABLE)
    except ValueError:
        return {}  # malformed variables: the function's own reading of them says so
    if not isinstance(value, dict):
        return {}
    return {name: text for name, text in cast("dict[str, object]", value).items() if isinstance(text, str)}


def _propagator() -> Any:
    # W3C's, whatever the process uses elsewhere: what lies in a process variable outlives a change of that.
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()


def _api() -> Any:
    try:
        from opentelemetry import trace
    except ModuleNotFoundError:
        raise MissingExtra("otel", "Tracing") from None
    return trace
