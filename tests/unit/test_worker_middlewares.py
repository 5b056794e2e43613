"""Middleware that comes with the package."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import LogCapture, capture_logs

from camunda_workers import BpmnError, JobFailed, Router, WorkerRunner, worker
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.worker.middlewares import Redaction, log_jobs
from camunda_workers.worker.middlewares.metrics import Metrics
from camunda_workers.worker.middlewares.redaction import MASK
from camunda_workers.worker.middlewares.tracing import TRACE_VARIABLE, Tracing
from camunda_workers.worker.polling import Polling
from tests.support.job_gateway import JobEngine

QUICK = Polling(request_timeout=timedelta(seconds=5))


class NoCover(BpmnError):
    code = "NO_COVER"


@worker("check", errors=[NoCover])
async def check(number: str) -> dict[str, str]:
    match number:
        case "none":
            raise NoCover("no policy")
        case "broken":
            raise OSError("away")
        case _:
            return {"policy": number}


async def test_every_line_of_a_job_says_whose_it_is() -> None:
    engine = JobEngine()
    capture = LogCapture()
    threads: list[str] = []

    @worker("say")
    def say() -> None:
        threads.append(threading.current_thread().name)
        structlog.get_logger("anywhere").info("said")

    engine.add("say", tags=["businessId:CLM-1"])
    before = structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    try:
        async with WorkerRunner(engine, [Router(say, middleware=[log_jobs])], polling=QUICK):
            await engine.all_ended(1)
    finally:
        structlog.configure(**before)
    for event in ("said", "job.started", "job.ended"):
        (line,) = [line for line in capture.entries if line["event"] == event]
        assert (line["job_type"], line["job_key"], line["business_id"], line["process_instance_key"]) == ("say", 1, "CLM-1", 1001)
    assert threads[0].startswith("say")


async def test_error_texts_are_masked_before_they_leave() -> None:
    engine = JobEngine()

    @worker("leak", errors=[NoCover])
    async def leak(account: dict[str, Any], what: str) -> None:
        if what == "bpmn":
            raise NoCover(f"for {account['Password']}")
        if what == "fine":
            raise JobFailed("plain 12 words")
        raise ValueError(f"login {account['Password']} mail ada@example.org Bearer abcdefgh12345 card 4111 1111 1111 1111 of 42")

    account = {"Password": "hunter-22", "number": 42}
    keys = {what: engine.add("leak", {"account": account, "what": what}) for what in ("failed", "bpmn", "fine")}
    odd = engine.add("leak", '{"password": ')
    with capture_logs() as logs:
        async with WorkerRunner(engine, [Router(leak)], polling=QUICK, middleware=[Redaction()]):
            await engine.all_ended(4)
    assert engine.outcome(keys["failed"]).message == f"ValueError: login {MASK} mail {MASK} {MASK} card {MASK} of 42"
    assert engine.outcome(keys["bpmn"]).message == f"for {MASK}"
    assert engine.outcome(keys["fine"]).message == "plain 12 words"
    assert "not a valid JSON object" in engine.outcome(odd).message
    assert not any("hunter" in str(line) for line in logs)


def test_log_lines_can_be_masked_too() -> None:
    event = {"event": "login of ada@example.org", "api-key": "abc", "count": 7}
    assert Redaction().processor(None, "info", event) == {"event": f"login of {MASK}", "api-key": MASK, "count": 7}
    assert Redaction(patterns=[r"CLM-\d+"]).masked("claim CLM-17") == f"claim {MASK}"
    assert Redaction().masked("job 4503599627370497 card 4111111111111111") == f"job 4503599627370497 card {MASK}"
    assert Redaction().masked("postgres://me:pass@host/db") == f"postgres://{MASK}@host/db"


async def test_a_trace_follows_the_case() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    engine = JobEngine()
    listener = pb.ActivatedJob.JobKind.EXECUTION_LISTENER
    first = engine.add("check", {"number": "A1"}, tags=["businessId:CLM-1"])
    async with WorkerRunner(engine, [Router(check)], polling=QUICK, middleware=[Tracing(provider)]):
        await engine.all_ended(1)
        handed_on = engine.outcome(first).variables[TRACE_VARIABLE]
        second = engine.add("check", {"number": "broken", TRACE_VARIABLE: handed_on})
        third = engine.add("check", {"number": "none", TRACE_VARIABLE: handed_on})
        listening = engine.add("check", {"number": "A1"}, kind=listener)
        odd = engine.add("check", {"number": "A1", TRACE_VARIABLE: {"traceparent": "nonsense", "x": 1}})
        await engine.all_ended(5)
    assert engine.asked[0].fetch_variables == ("number", TRACE_VARIABLE)
    spans = {span.attributes["camunda.job_key"]: span for span in exporter.get_finished_spans() if span.attributes}
    root = spans[first]
    assert root.attributes is not None
    assert (root.name, root.parent, root.attributes["camunda.business_id"]) == ("process/check-task", None, "CLM-1")
    for key in (second, third):
        span = spans[key]
        assert span.parent is not None
        assert span.context is not None
        assert root.context is not None
        assert (span.parent.span_id, span.context.trace_id) == (root.context.span_id, root.context.trace_id)
    assert (spans[second].status.is_ok, spans[second].events[0].name) == (False, "exception")
    attributes = spans[third].attributes
    assert attributes is not None
    assert (spans[third].status.is_ok, attributes["camunda.error_code"]) == (True, "NO_COVER")
    assert TRACE_VARIABLE not in engine.outcome(listening).variables
    assert engine.outcome(odd).call == "complete"


async def test_metrics_count_and_time() -> None:
    engine = JobEngine()
    metrics = Metrics()
    for number in ("A1", "A2", "none", "broken"):
        engine.add("check", {"number": number})
    async with WorkerRunner(engine, [Router(check)], polling=QUICK, middleware=[metrics]) as runner:
        metrics.watch(lambda: runner.stats, runner.problems)
        await engine.all_ended(4)
        text = metrics.text().decode()
        ready = 'camunda_worker_ready{job_type="check"} 1.0' in text
    assert ready
    text = metrics.text().decode()
    for line in (
        'camunda_jobs_total{job_type="check",outcome="completed"} 2.0',
        'camunda_jobs_total{job_type="check",outcome="bpmn_error"} 1.0',
        'camunda_jobs_total{job_type="check",outcome="failed"} 1.0',
        'camunda_worker_activated_total{job_type="check"} 4.0',
        'camunda_jobs_running{job_type="check"} 0.0',
        'camunda_job_seconds_count{job_type="check",outcome="completed"} 2.0',
        'camunda_worker_ready{job_type="check"} 0.0',
    ):
        assert line in text, text


@pytest.mark.parametrize(("module", "made", "extra"), [("prometheus_client", Metrics, "metrics"), ("opentelemetry", Tracing, "otel")])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, module: str, made: Any, extra: str) -> None:
    import sys

    from camunda_workers import MissingExtra

    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"camunda-workers\[{extra}\]"):
        made()
