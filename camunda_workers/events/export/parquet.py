"""Parquet for a warehouse: the records by month and kind, and each table of the read model, all typed."""

from __future__ import annotations

import asyncio
import importlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Connection, Integer, Table, select

from camunda_workers.errors import MissingExtra, ReadModelError
from camunda_workers.events.projections import PROJECTIONS
from camunda_workers.events.reading import texts
from camunda_workers.events.record import parse_record
from camunda_workers.events.schema import records

if TYPE_CHECKING:
    from camunda_workers.events.log import EventLog

PAGE: Final = 20_000
_MOMENTS: Final = ("_at", "deadline")


def _pyarrow() -> Any:
    try:
        for name in ("dataset", "parquet"):
            importlib.import_module(f"pyarrow.{name}")
        return importlib.import_module("pyarrow")
    except ImportError as error:
        raise MissingExtra("warehouse", "an export to Parquet") from error


def record_schema(pa: Any) -> Any:
    """The columns of the records."""
    moment, word = pa.timestamp("ms", tz="UTC"), pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            ("seq", pa.int64()), ("partition", pa.int32()), ("position", pa.int64()), ("timestamp", moment), ("record_type", word),
            ("intent", word), ("key", pa.int64()), ("process_instance_key", pa.int64()), ("process_definition_key", pa.int64()),
            ("bpmn_process_id", word), ("element_id", word), ("business_id", pa.string()), ("tenant_id", word), ("rejection_reason", pa.string()),
            ("value", pa.string()), ("month", pa.string()), ("value_type", pa.string()),
        ]
    )  # fmt: skip


async def export_parquet(log: EventLog, folder: Path, progress: Callable[[int, int], None] | None = None) -> dict[str, int]:
    """Write the log and the read model.

    Args:
        log: which; its read model should have caught up.
        folder: gets ``records/month=2026-11/value_type=JOB/part-….parquet`` and ``<table>.parquet``; what is there is replaced.
        progress: told how many of how many records were written.

    Returns:
        Rows by table.

    Raises:
        MissingExtra: pyarrow is not installed.
        ReadModelError: the folder cannot be written.
    """
    pa = _pyarrow()
    size, written, begin = await log.size(), 0, 0
    counts = {"records": 0}
    try:
        await asyncio.to_thread(_prepare, folder)
        while begin < size:
            end = min(begin + PAGE, size)
            rows = await log.database.read(lambda connection, begin=begin, end=end: _rows(connection, begin, end))
            if rows:
                _write_records(pa, rows, folder / "records", written)
                written += 1
                counts["records"] += len(rows)
            begin = end
            if progress is not None:
                progress(begin, size)
        for projection in PROJECTIONS:
            for table in projection.tables:
                counts[table.name] = await log.database.read(lambda connection, table=table: _write_table(pa, connection, table, folder))
    except OSError as error:
        raise ReadModelError(f"{folder} cannot be written: {error.strerror or error}") from error
    return counts


def _prepare(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "records", ignore_errors=True)


def _rows(connection: Connection, begin: int, end: int) -> list[tuple[Any, ...]]:
    from pydantic_core import to_json

    found = connection.execute(select(records).where(records.c.seq >= begin, records.c.seq < end).order_by(records.c.seq)).all()
    rows: list[tuple[Any, ...]] = []
    for row, text in zip(found, texts(connection, found), strict=True):
        record = parse_record(text)
        value = record.value
        rows.append(
            (
                row.seq, row.partition, row.position, row.timestamp, row.record_type, row.intent, row.key, row.process_instance_key,
                value.get("processDefinitionKey"), value.get("bpmnProcessId"), row.element_id, row.business_id, value.get("tenantId"),
                record.rejection_reason or None, to_json(dict(value)).decode(), f"{record.time:%Y-%m}", row.value_type,
            )
        )  # fmt: skip
    return rows


def _write_records(pa: Any, rows: Sequence[tuple[Any, ...]], folder: Path, number: int) -> None:
    schema = record_schema(pa)
    arrays = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), schema.types, strict=True)]
    pa.dataset.write_dataset(
        pa.Table.from_arrays(arrays, schema=schema),
        str(folder),
        format="parquet",
        partitioning=pa.dataset.partitioning(pa.schema([("month", pa.string()), ("value_type", pa.string())]), flavor="hive"),
        basename_template=f"part-{number:06}-{{i}}.parquet",
        existing_data_behavior="overwrite_or_ignore",
        max_partitions=4096,
    )


def _write_table(pa: Any, connection: Connection, table: Table, folder: Path) -> int:
    fields: list[Any] = []
    for column in table.columns:
        if isinstance(column.type, (BigInteger, Integer)):
            kind = pa.timestamp("ms", tz="UTC") if column.name.endswith(_MOMENTS) else pa.int64()
        else:
            kind = pa.string()
        fields.append((column.name, kind))
    schema = pa.schema(fields)
    count = 0
    with pa.parquet.ParquetWriter(str(folder / f"{table.name}.parquet"), schema) as writer:
        result = connection.execute(select(table))
        while some := result.fetchmany(PAGE):
            arrays = [
                pa.array([_plain(value, kind == pa.string()) for value in column], kind)
                for column, kind in zip(zip(*some, strict=True), schema.types, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(some)
    return count


def _plain(value: Any, is_text: bool) -> Any:
    return value.decode(errors="replace") if is_text and isinstance(value, bytes) else value
