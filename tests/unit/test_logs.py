"""What is logged holds no customers' data, whether or not anybody has configured logging."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from camunda_workers import JobContext, Router, WorkerRunner, worker
from camunda_workers.logs import hide_locals
from tests.support.job_gateway import JobEngine

SECRET = "DE89 3704 0044 0532 0130 00"


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    before = structlog.get_config() if structlog.is_configured() else None
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
    if before is not None:
        structlog.configure(**before)


async def test_tracebacks_show_no_variables_without_any_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    engine = JobEngine()

    @worker("work")
    async def work(iban: str, job: JobContext) -> None:
        try:
            raise RuntimeError("the bank said no")
        except RuntimeError:
            job.logger.exception("payment.failed")
            raise

    async with WorkerRunner(engine, [Router(work)]):
        engine.add("work", {"iban": SECRET})
        await engine.all_ended()
    out, err = capsys.readouterr()
    # The traceback itself is there, and so is the runtime's own line about the failed job.
    assert "the bank said no" in out + err
    assert "payment.failed" in out + err
    assert "job.failed" in out + err
    assert SECRET not in out + err


def test_what_an_application_has_configured_stays() -> None:
    mine = structlog.processors.JSONRenderer()
    structlog.configure(processors=[mine])
    hide_locals()
    assert structlog.get_config()["processors"] == [mine]
