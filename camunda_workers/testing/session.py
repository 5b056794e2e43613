"""Opens the kit as the run's options say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import pytest

from camunda_workers.errors import ConfigurationError
from camunda_workers.events.recording import save_recording
from camunda_workers.testing.embedded import EmbeddedGround
from camunda_workers.testing.journal import Journal
from camunda_workers.testing.kit import CamundaTest

if TYPE_CHECKING:
    from camunda_workers.testing.broker import BrokerSession
    from camunda_workers.testing.coverage.collect import Coverage
    from camunda_workers.testing.ground import Ground


class Mutating(Protocol):
    """A run against a mutant: what to deploy instead, and where to note what tests executed."""

    replace: Mapping[bytes, bytes]

    def note(self, test: str, journal: Journal) -> None:
        """Take what a test executed."""
        ...


MUTANT: pytest.StashKey[Mutating] = pytest.StashKey()


@asynccontextmanager
async def open_kit(
    config: pytest.Config, *, name: str, coverage: Coverage | None = None, failed: Callable[[], bool] = lambda: False
) -> AsyncGenerator[CamundaTest]:
    """A kit for one test.

    Args:
        config: the run's.
        name: the test's, for recordings and isolation.
        coverage: where to note what was executed.
        failed: asked at the end whether the test failed.
    """
    folder: str | None = config.getoption("--camunda-record")
    mutating = config.stash.get(MUTANT, None)

    def on_close(journal: Journal) -> None:
        if coverage is not None:
            coverage.note(journal)
        if mutating is not None:
            mutating.note(name, journal)
        if folder is not None and failed():
            save_recording(journal.lines, Path(folder) / f"{slug(name)}.records.jsonl.gz", name=name)

    replace = mutating.replace if mutating is not None else None
    timeout = cast("float", config.getoption("--camunda-timeout"))
    async with CamundaTest(await ground_of(config), timeout=timeout, on_close=on_close, replace=replace) as kit:
        yield kit


BROKER: pytest.StashKey[BrokerSession] = pytest.StashKey()


async def ground_of(config: pytest.Config) -> Ground:
    """The engine that ``--camunda-engine`` names.

    Raises:
        ConfigurationError: there is no such engine, or it cannot be used for tests.
    """
    wanted = cast("str", config.getoption("--camunda-engine"))
    if wanted == "embedded":
        return EmbeddedGround()
    if wanted == "broker":
        from camunda_workers.testing.broker import BrokerGround, BrokerSession

        if BROKER not in config.stash:
            session = BrokerSession()
            await asyncio.to_thread(session.start)
            config.stash[BROKER] = session
            config.add_cleanup(session.stop)
        return BrokerGround(config.stash[BROKER])
    if wanted.startswith(("http://", "https://")):
        from camunda_workers.testing.cluster import ClusterGround

        return ClusterGround(wanted.rstrip("/").removesuffix("/v2"))
    raise ConfigurationError(
        f"--camunda-engine={wanted}: tests run on 'embedded', on 'broker' or at an address such as http://127.0.0.1:8080"
    )


def slug(name: str) -> str:
    """A test's name as a file's name."""
    return re.sub(r"[^\w.\-]+", "-", name).strip("-")[-150:]
