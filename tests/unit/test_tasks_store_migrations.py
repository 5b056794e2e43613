"""A task store of an earlier version is brought up to date, one of a newer version is refused in words."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from camunda_workers.errors import ReadModelError
from camunda_workers.tasks import TaskStore
from camunda_workers.tasks.store.migrations.run import config_for, upgrade
from camunda_workers.tasks.store.tables import VERSION, drafts, metadata, versions

pytestmark = pytest.mark.unit
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_the_steps_lead_to_the_tables_that_are_used() -> None:
    (head,) = ScriptDirectory.from_config(config_for()).get_heads()
    assert head == VERSION
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection, "here")
        context = MigrationContext.configure(connection, opts={"version_table": versions.name})
        # The version table itself is alembic's to make.
        left = [one for one in compare_metadata(context, metadata) if versions.name not in str(one)]
        assert not left
    engine.dispose()


async def test_a_store_of_the_time_before_versions_keeps_everything(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    engine = create_engine(f"sqlite:///{file}")
    early = [table for name, table in metadata.tables.items() if name not in ("task_filters", versions.name, "task_members")]

    def make(connection: Connection) -> None:
        metadata.create_all(connection, tables=early)
        connection.execute(drafts.insert().values(task_key=7, person="amelia", variables={"a": 1}, revision=3, saved_at=1))

    with engine.begin() as connection:
        make(connection)
    engine.dispose()
    for _ in range(2):
        async with TaskStore(file) as store:
            draft = await store.drafts.get(7, "amelia")
            assert draft is not None
            assert (draft.variables, draft.revision) == ({"a": 1}, 3)
            await store.filters.save("amelia", "overdue", {"due": "overdue"}, NOW)
            await store.ledger.note_groups("amelia", ["x"], NOW)
    with sqlite3.connect(file) as raw:
        assert raw.execute("SELECT version_num FROM task_store_version").fetchall() == [(VERSION,)]


async def test_a_file_of_the_time_before_engines_kept_them_is_still_readable(tmp_path: Path) -> None:
    file, content = tmp_path / "tasks.db", b"attached long ago"
    digest = hashlib.sha256(content).hexdigest()
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        command.upgrade(config_for(connection), "0002")
        values = f"('a1', 7, 8, 'old.txt', 'text/plain', {len(content)}, '{digest}', 'amelia', 1)"
        connection.execute(text(f"INSERT INTO task_attachments VALUES {values}"))
    engine.dispose()
    kept = tmp_path / "attachments" / digest[:2] / digest
    kept.parent.mkdir(parents=True)
    kept.write_bytes(content)
    async with TaskStore(file) as store:
        [one] = await store.attachments.of(7)
        assert (one.document_id, one.reference()["documentId"], one.reference()["storeId"]) == ("", "a1", "camunda-workers")
        assert store.attachments.read(one) == content


async def test_an_absence_of_the_time_before_tenants_goes_on_for_all_of_them(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        command.upgrade(config_for(connection), "0003")
        ends = round(NOW.timestamp() * 1000) + 1000
        connection.execute(text(f"INSERT INTO task_absences VALUES (1, 'amelia', 'ben', 1, {ends}, '', 'amelia', NULL)"))
    engine.dispose()
    async with TaskStore(file) as store:
        [one] = await store.delegations.absences(NOW)
        assert (one.person, one.tenants) == ("amelia", None)
        assert [await store.delegations.substitute_of("amelia", NOW, tenant) for tenant in (None, "a", "b")] == ["ben"] * 3


async def test_a_new_store_has_the_newest_version_at_once(tmp_path: Path) -> None:
    async with TaskStore(tmp_path / "tasks.db"):
        pass
    with sqlite3.connect(tmp_path / "tasks.db") as raw:
        assert raw.execute("SELECT version_num FROM task_store_version").fetchall() == [(VERSION,)]


async def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with TaskStore(file):
        pass
    with sqlite3.connect(file) as raw:
        raw.execute("UPDATE task_store_version SET version_num = '9999'")
    with pytest.raises(ReadModelError, match="newer version of camunda-workers"):
        async with TaskStore(file):
            pass
