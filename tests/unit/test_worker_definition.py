"""What a worker's signature means, and how a wrong one is refused when it is decorated."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel

import camunda_workers
from camunda_workers import (
    ALL,
    BpmnError,
    ConfigurationError,
    Corrected,
    Denied,
    Header,
    JobContext,
    Provided,
    Router,
    Variable,
    Worker,
    worker,
)
from camunda_workers.worker.definition import NO_VARIABLE, Run


class Claim(BaseModel):
    claim_id: str


class Ledger:
    """A resource: nothing pydantic can read."""


class NoCover(BpmnError):
    code = "NO_COVER"


def test_parameters_alone_decide_what_is_fetched() -> None:
    @worker("check", errors=[NoCover])
    async def check(
        claim: Claim,
        ledger: Annotated[Ledger, Provided],
        job: JobContext,
        number: Annotated[str, Variable("policyNumber")] = "none",
        *,
        channel: Annotated[str, Header("channel")] = "web",
    ) -> Claim:
        return claim

    definition = check.definition
    assert definition.fetch_variables == ("claim", "policyNumber")
    assert definition.parameters.resources == {"ledger": Ledger}
    assert definition.parameters.headers.names == {"channel": "channel"}
    assert definition.parameters.contexts == ("job",)
    assert definition.run is Run.LOOP
    assert definition.error_codes == {"NO_COVER"}


def test_a_function_without_variables_fetches_none() -> None:
    @worker("ping")
    def ping(job: JobContext) -> None: ...

    assert ping.definition.fetch_variables == (NO_VARIABLE,)
    assert ping.definition.run is Run.THREAD


def test_a_rest_parameter_or_all_fetches_everything() -> None:
    @worker("rest")
    async def rest(claim: Claim, **variables: Any) -> None: ...

    @worker("all", fetch_variables=ALL)
    async def everything(claim: Claim) -> None: ...

    @worker("more", fetch_variables=["notes"])
    async def more(claim: Claim) -> None: ...

    assert rest.definition.fetch_variables == ()
    assert everything.definition.fetch_variables == ()
    assert more.definition.fetch_variables == ("claim", "notes")


async def test_a_worker_is_still_the_function() -> None:
    @worker("greet")
    async def greet(name: str) -> dict[str, str]:
        """Greets."""
        return {"greeting": f"Hello {name}"}

    assert await greet("Ada") == {"greeting": "Hello Ada"}
    assert greet.__doc__ == "Greets."
    assert isinstance(greet, Worker)


def test_an_object_with_an_async_call_is_async() -> None:
    class Handler:
        async def __call__(self, name: str) -> dict[str, str]:
            return {"name": name}

    made = worker("object")(Handler())
    assert made.definition.run is Run.LOOP
    assert made.definition.fetch_variables == ("name",)


@dataclass
class Found:
    amount: int


class Typed(TypedDict):
    amount: int


@pytest.mark.parametrize(
    "returns",
    [None, Any, Claim, Found, Typed, dict[str, int], Mapping[str, Any], Claim | None, Corrected | Denied | None, Annotated[Claim, "note"]],
)
def test_returns_that_are_variables(returns: Any) -> None:
    async def function() -> None: ...

    function.__annotations__["return"] = returns
    worker("ok")(function)


@pytest.mark.parametrize("returns", [int, str, list[int], list[Claim], int | None, Claim | int])
def test_returns_that_need_a_name(returns: Any) -> None:
    async def function() -> None: ...

    function.__annotations__["return"] = returns
    with pytest.raises(ConfigurationError, match=r"function returns .*result='name'"):
        worker("no")(function)
    assert worker("yes", result="amount")(function).definition.result == "amount"


def wrong_positional(a: int, /) -> None: ...
def wrong_star(*names: str) -> None: ...
def wrong_type(ledger: Ledger) -> None: ...
def wrong_marks(a: Annotated[str, Header("a"), Variable("b")]) -> None: ...
def wrong_name(a: Annotated[str, Variable("")]) -> None: ...
def wrong_hint(a: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore


class Service:
    def wrong_method(self, a: int) -> None: ...


WRONG: list[tuple[Callable[..., None], str]] = [
    (wrong_positional, "parameter 'a' is positional only"),
    (wrong_star, "parameter 'names' is positional only"),
    (wrong_type, r"parameter 'ledger' of type Ledger .* Annotated\[Ledger, Provided\]"),
    (wrong_marks, "parameter 'a' has more than one of"),
    (wrong_name, "parameter 'a' names no variable"),
    (Service.wrong_method, "is a method"),
    (wrong_hint, "annotation cannot be resolved .*Nowhere"),
]


@pytest.mark.parametrize(("function", "says"), WRONG)
def test_wrong_signatures_are_refused_when_decorated(function: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        worker("wrong")(function)
    assert function.__name__ in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"timeout": timedelta(0)}, "timeout must be longer than nothing"),
        ({"max_running": 0}, "max_running must be at least 1"),
        ({"errors": [BpmnError]}, "takes subclasses of BpmnError with a code"),
        ({"errors": ["NO_COVER"]}, "takes subclasses of BpmnError with a code"),
        ({"result": ""}, "result='' names no variable"),
        ({"result": "x"}, "the function returns None"),
    ],
)
def test_wrong_options_are_refused_when_decorated(options: dict[str, Any], says: str) -> None:
    async def function() -> None: ...

    with pytest.raises(ConfigurationError, match=says):
        worker("wrong", **options)(function)


def test_an_empty_type_and_a_generator_are_refused() -> None:
    async def function() -> None: ...

    async def generator() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(ConfigurationError, match="the job type is empty"):
        worker(" ")(function)
    with pytest.raises(ConfigurationError, match="is a generator"):
        worker("gen", result="x")(generator)


def test_two_workers_for_one_type_are_refused_with_both_names() -> None:
    @worker("same")
    async def first() -> None: ...

    @worker("same")
    async def second() -> None: ...

    with pytest.raises(ConfigurationError, match=r"'same': .*first and .*second"):
        Router(first, second)


def test_a_bare_function_in_a_router_is_refused() -> None:
    async def function() -> None: ...

    with pytest.raises(ConfigurationError, match="is not a worker"):
        Router(function)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_router_decorates_and_provides() -> None:
    router = Router()

    class Local(BaseModel):
        """A class that is only visible here, as a test's usually are."""

        number: int

    @router.worker("one")
    async def one(local: Local) -> Local:
        return local

    @asynccontextmanager
    async def open_ledger() -> AsyncGenerator[Ledger]:
        yield Ledger()

    router.provide(Ledger, open_ledger)
    assert router.workers == (one,)
    assert list(router) == [one]
    with pytest.raises(ConfigurationError, match="Ledger is provided twice"):
        router.provide(Ledger, open_ledger)


def test_the_package_is_cheap_to_import_and_complete() -> None:
    code = "import camunda_workers, sys; print([m for m in ('pydantic', 'grpc', 'structlog') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    for name in camunda_workers.__all__:
        assert getattr(camunda_workers, name) is not None
    assert sorted(camunda_workers.__all__) == sorted(dir(camunda_workers))
    with pytest.raises(AttributeError, match="nothing"):
        _ = camunda_workers.nothing


def test_the_decorator_is_not_hidden_by_the_package_of_its_name() -> None:
    code = "import camunda_workers.worker.router, camunda_workers; from camunda_workers import worker; print(type(worker).__name__)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "function"
