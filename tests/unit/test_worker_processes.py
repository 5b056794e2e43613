"""CPU-bound functions in processes: what comes back, and what becomes of a process that dies or hangs."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from typing import Annotated, Any

import pytest

from camunda_workers import ConfigurationError, JobContext, Provided, Router, WorkerRunner, worker
from camunda_workers.client.retry import BackOff
from camunda_workers.worker.polling import Polling
from tests.support.computing import makes_something_unsendable, square
from tests.support.job_gateway import JobEngine, eventually

QUICK = Polling(request_timeout=timedelta(seconds=5), back_off=BackOff(first=0.002, longest=0.01))


async def test_outcomes_come_back_from_the_process_and_one_that_dies_harms_no_other() -> None:
    engine = JobEngine()
    keys = {
        what: engine.add("square", {"number": 7, "what": what}) for what in ("die", "too-large", "unsendable", "exit", "value", "square")
    }
    odd = engine.add("lambda")
    async with WorkerRunner(engine, [Router(square, makes_something_unsendable)], polling=QUICK) as runner:
        await engine.all_ended(7, timeout=60)
        assert runner.stats["square"].most_running == 2
    done = engine.outcome(keys["square"])
    assert (done.call, done.variables["square"]) == ("complete", 49)
    assert done.variables["process"] != os.getpid()
    thrown = engine.outcome(keys["too-large"])
    assert (thrown.call, thrown.code, dict(thrown.variables)) == ("throw", "TOO_LARGE", {"number": 7})
    texts = {what: engine.outcome(key).message for what, key in keys.items()}
    assert "the process that ran it died (signal SIGKILL)" in texts["die"]
    assert "Unsendable: no" in texts["unsendable"]
    assert "SystemExit: 3" in texts["exit"]
    assert texts["value"] == "ValueError: bad"
    assert {engine.outcome(keys[what]).retries for what in ("die", "unsendable", "exit", "value")} == {2}
    assert "the result cannot be sent from the process" in engine.outcome(odd).message


async def test_stopping_kills_a_process_that_does_not_end() -> None:
    engine = JobEngine()
    key = engine.add("square", {"number": 1, "what": "sleep"})
    async with WorkerRunner(engine, [Router(square)], polling=QUICK, drain_timeout=timedelta(0)) as runner:
        await eventually(lambda: runner.stats["square"].running == 1)
        await asyncio.sleep(0.5)
    ended = engine.outcome(key)
    assert (ended.call, ended.retries, ended.message) == ("fail", 3, "the worker is stopping")


def test_what_cannot_run_in_a_process_is_refused_when_decorated() -> None:
    with pytest.raises(ConfigurationError, match="for a plain function that computes"):

        @worker("a", run="process")
        async def is_async() -> None: ...

    with pytest.raises(ConfigurationError, match="top of a module"):

        @worker("a", run="process")
        def inside() -> None: ...

    with pytest.raises(ConfigurationError, match="run='fork' is not known"):
        worker("a", run="fork")(square)  # type: ignore[arg-type]

    def takes_job(job: JobContext) -> None: ...

    def takes_resource(pool: Annotated[object, Provided]) -> None: ...

    functions: list[Any] = [takes_job, takes_resource]
    for function in functions:
        function.__qualname__ = function.__name__
        with pytest.raises(ConfigurationError, match="no job and no resources"):
            worker("a", run="process")(function)


def test_as_many_at_once_as_there_are_processors() -> None:
    def compute() -> None: ...

    compute.__qualname__ = "compute"
    assert worker("a", run="process")(compute).definition.max_running == os.cpu_count()
