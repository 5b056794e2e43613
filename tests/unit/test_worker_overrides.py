"""What the project file and the environment say of single workers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from camunda_workers import ConfigurationError, RetryPolicy, Router, WorkerRunner, worker
from camunda_workers.project import WorkerOverride, load_project
from camunda_workers.settings import worker_variables
from camunda_workers.worker.overrides import applied, from_environment, merged
from tests.support.job_gateway import JobEngine, eventually


@worker("check-policy", retries=RetryPolicy(factor=3))
async def check_policy(number: str) -> None: ...


def test_the_project_file(tmp_path: Path) -> None:
    (tmp_path / "camunda-workers.toml").write_text(
        '[workers]\nmodules = ["a:b"]\n[workers.check-policy]\nmax_running = 8\ntimeout = "PT5M"\nlongest = 600\ntenants = ["a", "b"]\n'
        '[workers."other.type"]\nenabled = false\n'
    )
    section = load_project(tmp_path).workers
    assert section.modules == ["a:b"]
    given = section.overrides["check-policy"]
    assert (given.max_running, given.timeout, given.longest) == (8, timedelta(minutes=5), timedelta(minutes=10))
    assert given.tenants == ("a", "b")
    assert section.overrides["other.type"].enabled is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[workers.pay]\nmax_runing = 1", r"\[workers\] overrides.pay.max_runing is not known here"),
        ("[workers.pay]\nmax_running = 0", r"overrides.pay.max_running: .*greater than or equal to 1"),
        ("[workers]\nmodule = 1", r"\[workers\] module is not known here"),
    ],
)
def test_a_slip_in_the_project_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "camunda-workers.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_project(tmp_path)


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MAX_RUNNING": "4",
        "TIMEOUT": "90",
        "LONGEST": "PT2H",
        "RETRY_BACK_OFF": "0.5",
        "ENABLED": "false",
        "STREAM": "no",
        "TENANTS": "a, b",
        "FETCH_VARIABLES": "claim,policy",
    }.items():
        monkeypatch.setenv(f"CAMUNDA_WORKERS_WORKER_CHECK_POLICY_{name}", value)
    given = from_environment(["check-policy", "other"], worker_variables())["check-policy"]
    assert given == WorkerOverride(
        max_running=4,
        timeout=timedelta(seconds=90),
        longest=timedelta(hours=2),
        retry_back_off=timedelta(seconds=0.5),
        enabled=False,
        stream=False,
        tenants=("a", "b"),
        fetch_variables=("claim", "policy"),
    )


def test_the_longer_job_type_is_meant_and_what_fits_nobody_is_said() -> None:
    with capture_logs() as logs:
        given = from_environment(["pay", "pay-max"], {"PAY_MAX_RUNNING": "1", "PAY_MAX_MAX_RUNNING": "2", "NOBODY_STREAM": "1"})
    assert {job_type: override.max_running for job_type, override in given.items()} == {"pay": 1, "pay-max": 2}
    assert [line["variable"] for line in logs] == ["CAMUNDA_WORKERS_WORKER_NOBODY_STREAM"]


@pytest.mark.parametrize(
    ("types", "variables", "message"),
    [
        (["pay"], {"PAY_MAX_RUNNING": "many"}, "CAMUNDA_WORKERS_WORKER_PAY_MAX_RUNNING: .*integer"),
        (["pay"], {"PAY_TIMEOUT": "soon"}, "CAMUNDA_WORKERS_WORKER_PAY_TIMEOUT: "),
        (["pay"], {"PAY_TIMEOUT": "-1"}, "CAMUNDA_WORKERS_WORKER_PAY_TIMEOUT: .*greater than"),
        (["a-b", "a.b"], {"A_B_STREAM": "1"}, "'a-b' and 'a.b' are written alike"),
    ],
)
def test_a_slip_in_the_environment_is_named(types: list[str], variables: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        from_environment(types, variables)


def test_the_environment_goes_before_the_file_and_both_before_the_code() -> None:
    file = {"check-policy": WorkerOverride(max_running=8, stream=False), "a": WorkerOverride(enabled=False)}
    environment = {"check-policy": WorkerOverride(max_running=4), "b": WorkerOverride(stream=True)}
    both = merged(file, environment)
    assert both["check-policy"] == WorkerOverride(max_running=4, stream=False)
    assert set(both) == {"check-policy", "a", "b"}
    changed = applied(check_policy.definition, both["check-policy"])
    assert changed is not None
    assert (changed.max_running, changed.stream, changed.timeout) == (4, False, check_policy.definition.timeout)
    retries = applied(check_policy.definition, WorkerOverride(retries=5, retry_back_off=timedelta(seconds=9)))
    assert retries is not None
    assert (retries.retries.retries, retries.retries.back_off, retries.retries.factor) == (5, timedelta(seconds=9), 3)
    more = applied(check_policy.definition, WorkerOverride(fetch_variables=("claim",)))
    assert more is not None
    assert more.fetch_variables == ("number", "claim")
    everything = applied(check_policy.definition, WorkerOverride(fetch_variables=("*",)))
    assert everything is not None
    assert everything.fetch_variables == ()


async def test_a_worker_that_is_switched_off_fetches_nothing() -> None:
    engine = JobEngine()

    @worker("other")
    async def other() -> None: ...

    overrides = {"check-policy": WorkerOverride(enabled=False), "other": WorkerOverride(max_running=3, tenants=("t",))}
    async with WorkerRunner(engine, [Router(check_policy, other)], overrides=overrides) as runner:
        await eventually(lambda: len(engine.asked) >= 1)
        assert list(runner.stats) == ["other"]
    assert {asked.type for asked in engine.asked} == {"other"}
    assert (engine.asked[0].max_jobs, engine.asked[0].tenant_ids) == (3, ("t",))
