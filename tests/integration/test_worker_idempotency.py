"""Effectively once, the same for every store: replay, two at once, failure, and nothing is run without the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from camunda_workers import BpmnError, Corrected, Router, WorkerRunner, worker
from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.client.retry import BackOff
from camunda_workers.errors import ConfigurationError, EngineUnavailable
from camunda_workers.worker.executor import Report
from camunda_workers.worker.idempotency import Begun, Busy, IdempotencyStore, Stored, StoreUnavailable, read_report, write_report
from camunda_workers.worker.idempotency_memory import MemoryStore
from camunda_workers.worker.idempotency_redis import RedisStore
from camunda_workers.worker.idempotency_sqlite import SqliteStore
from camunda_workers.worker.outcome import ActivateElement, AdHoc, Bpmn, Completed, Denied, Outcome
from camunda_workers.worker.polling import Polling
from tests.support.job_gateway import JobEngine, eventually
from tests.support.redis_server import RedisServer, redis_server

QUICK = Polling(request_timeout=timedelta(seconds=5), back_off=BackOff(first=0.002, longest=0.01))


class NoFunds(BpmnError):
    code = "NO_FUNDS"


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path) as running:
        yield running


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.redis)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[IdempotencyStore]:
    match request.param:
        case "memory":
            yield MemoryStore()
        case "sqlite":
            yield SqliteStore(tmp_path / "deep" / "outcomes.db")
        case _:
            async with redis_server(tmp_path) as server:
                yield RedisStore(server.url)


class Ledger:
    """Payments with a worker that makes them."""

    def __init__(self) -> None:
        self.paid: list[int] = []
        self.go = asyncio.Event()
        self.go.set()

        @worker("pay", idempotent=True, errors=[NoFunds], timeout=timedelta(seconds=2))
        async def pay(amount: int, what: str = "") -> dict[str, Any]:
            self.paid.append(amount)
            await self.go.wait()
            if what == "broken" and len(self.paid) == 1:
                raise OSError("broken")
            if what == "none":
                raise NoFunds("empty", variables={"left": 0})
            return {"payment": {"id": f"P-{amount}", "umlaut": "äß\u20ac"}}

        self.router = Router(pay)


async def redeliver(engine: JobEngine, key: int, **variables: Any) -> None:
    """The engine thinks that the job timed out."""
    same: dict[str, Any] = {"key": key, "processInstanceKey": 1000 + key, "elementInstanceKey": 2000 + key}
    engine.add("pay", variables, **same)


async def test_a_second_delivery_reports_the_stored_outcome(store: IdempotencyStore) -> None:
    engine, ledger = JobEngine(), Ledger()
    async with WorkerRunner(engine, [ledger.router], polling=QUICK, idempotency=store) as runner:
        key = engine.add("pay", {"amount": 7})
        none = engine.add("pay", {"amount": 8, "what": "none"})
        await engine.all_ended(2)
        await redeliver(engine, key, amount=7)
        await redeliver(engine, none, amount=8, what="none")
        await engine.all_ended(4)
        assert sorted(ledger.paid) == [7, 8]
        assert runner.stats["pay"].replayed == 2
        first, second = [end for end in engine.ended if end.key == key]
        assert first == second
        assert second.variables == {"payment": {"id": "P-7", "umlaut": "äß\u20ac"}}
        first, second = [end for end in engine.ended if end.key == none]
        assert (
            (second.call, second.code, dict(second.variables))
            == (first.call, first.code, dict(first.variables))
            == ("throw", "NO_FUNDS", {"left": 0})
        )
        # Another piece of work with the same job type is run.
        other = engine.add("pay", {"amount": 9})
        await engine.all_ended(5)
        assert engine.outcome(other).variables["payment"]["id"] == "P-9"


async def test_a_failed_try_is_run_again(store: IdempotencyStore) -> None:
    engine, ledger = JobEngine(), Ledger()
    async with WorkerRunner(engine, [ledger.router], polling=QUICK, idempotency=store):
        key = engine.add("pay", {"amount": 7, "what": "broken"})
        await engine.all_ended(1)
        await redeliver(engine, key, amount=7, what="broken")
        await engine.all_ended(2)
    assert [end.call for end in engine.ended] == ["fail", "complete"]
    assert ledger.paid == [7, 7]


async def test_of_two_deliveries_at_once_one_runs_and_the_other_waits_for_its_outcome(store: IdempotencyStore) -> None:
    first, second, ledger = JobEngine(), JobEngine(), Ledger()
    ledger.go.clear()
    # Two runners share the store, as two processes do.
    async with store:
        lasting: Any = _Lasting(store)
        async with (
            WorkerRunner(first, [ledger.router], polling=QUICK, idempotency=lasting),
            WorkerRunner(second, [ledger.router], polling=QUICK, idempotency=lasting),
        ):
            key = first.add("pay", {"amount": 7})
            await eventually(lambda: ledger.paid)
            second.add("pay", {"amount": 7})
            await second.all_ended(1)
            back = second.ended[0]
            assert (back.call, back.retries, back.message) == ("fail", 3, "another delivery of this work is running")
            assert timedelta(0) < back.back_off <= timedelta(seconds=2)
            ledger.go.set()
            await first.all_ended(1)
            await redeliver(second, key, amount=7)
            await second.all_ended(2)
    assert ledger.paid == [7]
    assert second.ended[-1].variables == first.ended[0].variables


class _Lasting:
    """A store that is opened and closed by the test."""

    def __init__(self, store: IdempotencyStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


async def test_the_contract_of_a_store(store: IdempotencyStore) -> None:
    async with store:
        assert await store.begin("k", "a", 0.15) == Begun()
        busy = await store.begin("k", "b", 5)
        assert isinstance(busy, Busy)
        assert 0 < busy.seconds <= 0.15
        await store.release("k", "b")
        assert isinstance(await store.begin("k", "b", 5), Busy)
        await store.renew("k", "a", 5)
        await asyncio.sleep(0.2)
        assert isinstance(await store.begin("k", "b", 5), Busy)
        await store.release("k", "a")
        assert await store.begin("k", "b", 0.05) == Begun()
        await asyncio.sleep(0.1)
        # The holder is gone: the next one gets it.
        assert await store.begin("k", "c", 5) == Begun()
        await store.finish("k", "c", '{"kind": "completed"}')
        await store.finish("k", "b", '{"kind": "denied", "reason": ""}')
        await store.release("k", "c")
        await store.renew("k", "c", 0.01)
        await asyncio.sleep(0.05)
        assert await store.begin("k", "d", 5) == Stored('{"kind": "completed"}')


async def test_many_at_once_and_one_begins(store: IdempotencyStore) -> None:
    async with store:
        states = await asyncio.gather(*(store.begin("k", str(number), 5) for number in range(50)))
    assert sum(isinstance(state, Begun) for state in states) == 1


async def test_outcomes_in_sqlite_survive_a_restart_and_a_broken_file_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.db"
    async with SqliteStore(path) as first:
        await first.begin("k", "a", 5)
        await first.finish("k", "a", "{}")
    async with SqliteStore(path) as second:
        assert await second.begin("k", "b", 5) == Stored("{}")
    with pytest.raises(StoreUnavailable, match=r"outcomes\.db"):
        await first.begin("k", "b", 5)
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreUnavailable, match=r"broken\.db"):
        async with SqliteStore(tmp_path / "broken.db"):
            pass


@pytest.mark.redis
async def test_without_redis_nothing_is_run_until_it_is_back(redis: RedisServer) -> None:
    engine, ledger = JobEngine(), Ledger()

    @worker("other")
    async def other() -> None: ...

    async with WorkerRunner(engine, [ledger.router, Router(other)], polling=QUICK, idempotency=RedisStore(redis.url)) as runner:
        key = engine.add("pay", {"amount": 7})
        await engine.all_ended(1)
        await redis.stop()
        away = engine.add("pay", {"amount": 8})
        engine.add("other")
        await engine.all_ended(3)
        ended = engine.outcome(away)
        assert (ended.call, ended.retries, ended.back_off) == ("fail", 3, timedelta(seconds=5))
        assert "must not run twice" in ended.message
        assert ledger.paid == [7]
        assert runner.stats["other"].completed == 1
        await redis.start()
        await redeliver(engine, away, amount=8)
        await redeliver(engine, key, amount=7)
        await engine.all_ended(5, timeout=10)
    # Redis kept the first outcome over its restart.
    assert sorted(ledger.paid) == [7, 8]


@pytest.mark.redis
async def test_redis_that_goes_while_the_function_runs_does_not_lose_its_outcome(redis: RedisServer) -> None:
    engine, ledger = JobEngine(), Ledger()
    ledger.go.clear()
    engine.script("complete_job", EngineUnavailable("away"), None)
    async with WorkerRunner(engine, [ledger.router], polling=QUICK, idempotency=RedisStore(redis.url)):
        engine.add("pay", {"amount": 7})
        await eventually(lambda: ledger.paid)
        await redis.stop()
        ledger.go.set()
        await engine.all_ended(1, timeout=10)
    assert [end.call for end in engine.ended] == ["complete"]


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="CAMUNDA_WORKERS_REDIS_URL"):
        RedisStore("mailto:redis")


async def test_memory_alone_is_said_loudly() -> None:
    ledger = Ledger()
    with capture_logs() as logs:
        async with WorkerRunner(JobEngine(), [ledger.router], polling=QUICK):
            pass
    (said,) = [line for line in logs if line["event"] == "idempotency.in_memory"]
    assert (said["log_level"], said["job_types"]) == ("warning", ["pay"])


async def test_jobs_of_one_listener_are_different_work() -> None:
    engine = JobEngine()
    runs: list[int] = []

    @worker("listen", idempotent=True)
    async def listen() -> Corrected:
        runs.append(1)
        return Corrected(priority=len(runs))

    listener: dict[str, Any] = {"kind": pb.ActivatedJob.JobKind.TASK_LISTENER, "elementInstanceKey": 5, "processInstanceKey": 4}
    async with WorkerRunner(engine, [Router(listen)], polling=QUICK):
        engine.add("listen", **listener)
        engine.add("listen", **listener)
        await engine.all_ended(2)
    assert sorted(end.result.corrections.priority for end in engine.ended if end.result) == [1, 2]


@pytest.mark.parametrize(
    "outcome",
    [
        Completed({"a": [1, None, "ü"]}),
        Completed({}, Corrected(assignee="", due_date="2026-01-02T00:00:00+00:00", candidate_groups=["x"])),
        Completed({"a": 1}, AdHoc(activate=(ActivateElement("search", {"q": 1}), ActivateElement("ask")))),
        Completed({}, AdHoc(done=True, cancel_remaining=True)),
        Bpmn("CODE", "text", {"b": 2}),
        Denied("no"),
    ],
)
def test_outcomes_are_written_and_read(outcome: Outcome) -> None:
    variables = getattr(outcome, "variables", {})
    again = read_report(write_report(Report(outcome, variables)))
    assert again.variables == variables
    assert write_report(again) == write_report(Report(outcome, variables))
    assert type(again.outcome) is type(outcome)
