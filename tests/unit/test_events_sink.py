"""The exporter sink: stored before it says so, every record once, and a clear refusal of everything else."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from camunda_workers.errors import ConfigurationError
from camunda_workers.events import EventLog, ReadModel
from camunda_workers.events.sources.sink import ExporterSink, exporter_properties
from tests.support.recorded import changed, recorded

LINES = recorded()
JSON = {"Content-Type": "application/x-ndjson"}


def bulk(lines: Sequence[bytes]) -> bytes:
    action = b'{"index":{"_index":"zeebe-record_job_8.6.0_2026-11-23","_id":"1-1","routing":"1"}}'
    return b"".join(action + b"\n" + line + b"\n" for line in lines)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EventLog]:
    async with EventLog.open(tmp_path / "events.db", durable=True) as opened:
        yield opened


@pytest.fixture
async def sink(log: EventLog) -> AsyncIterator[ExporterSink]:
    async with ExporterSink(log, password="secret", followers=[ReadModel(log)]) as running:
        yield running


@pytest.fixture
async def client(sink: ExporterSink) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sink.address, auth=("zeebe", "secret")) as opened:
        yield opened


async def push(client: httpx.AsyncClient, lines: Sequence[bytes], *, packed: bool = False) -> httpx.Response:
    body = bulk(lines)
    headers = JSON | ({"Content-Encoding": "gzip"} if packed else {})
    return await client.post("/_bulk", content=gzip.compress(body) if packed else body, headers=headers)


@pytest.mark.parametrize("packed", [False, True])
async def test_takes_what_an_exporter_pushes(log: EventLog, client: httpx.AsyncClient, *, packed: bool) -> None:
    answer = (await push(client, LINES, packed=packed)).json()
    assert (answer["errors"], len(answer["items"])) == (False, len(LINES))
    assert [record.text.encode() async for record in log.records()] == list(LINES)


async def test_answers_what_an_exporter_asks_before(client: httpx.AsyncClient) -> None:
    assert (await client.put("/_index_template/zeebe-record_job_8.6.0", json={"a": 1})).json() == {"acknowledged": True}
    assert (await client.put("/_component_template/zeebe-record", json={"a": 1})).json() == {"acknowledged": True}
    answer = await client.get("/")
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    assert answer.json()["version"]["number"].startswith("8.")
    assert (await client.head("/")).status_code == 200


async def test_answers_what_opensearchs_exporter_asks_of_life_cycles(client: httpx.AsyncClient) -> None:
    """With any answer to the first question but 404, its next one is to remove the policy, for ever; seen with the one of 8.6.0."""
    policy = "/_plugins/_ism/policies/zeebe-record-retention-policy"
    assert (await client.get(policy)).status_code == 404
    assert (await client.delete(policy)).json()["result"] == "deleted"
    assert (await client.put(policy, json={"policy": {}})).json()["policy"]["policy"] == {"policy_id": "zeebe-record-retention-policy"}
    assert (await client.post("/_plugins/_ism/remove/zeebe-record*")).json() == {
        "updated_indices": 0,
        "failures": False,
        "failed_indices": [],
    }
    assert (await client.post("/_plugins/_ism/remove/zeebe-record*", auth=("zeebe", "wrong"))).status_code == 401


async def test_repeated_requests_add_nothing(log: EventLog, client: httpx.AsyncClient) -> None:
    for lines in (LINES[:100], LINES[:100], LINES[50:150], LINES[100:200]):
        assert (await push(client, lines)).status_code == 200
    assert await log.size() == 200
    assert (await client.get("/_status")).json() == {"records": 200, "positions": {"1": json.loads(LINES[199])["position"]}}


async def test_what_was_acknowledged_is_in_the_file(log: EventLog, client: httpx.AsyncClient) -> None:
    await push(client, LINES[:77])
    assert log.path is not None
    other = sqlite3.connect(log.path)
    assert other.execute("SELECT count(*) FROM records").fetchone() == (77,)
    other.close()


async def test_several_partitions_in_one_request(log: EventLog, client: httpx.AsyncClient) -> None:
    other = [changed(line, partitionId=2) for line in LINES[:50]]
    mixed = [line for pair in zip(LINES[:50], other, strict=True) for line in pair]
    assert (await push(client, mixed)).status_code == 200
    assert (await log.position(1), await log.position(2)) == (50, 50)


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (bulk(LINES[:3])[:-1], {}, 400, "cut off: its last line has no end"),
        (bulk(LINES[:3])[:-400] + b"\n", {}, 503, "not JSON"),
        (bulk(LINES[:3]).rsplit(b"\n", 2)[0] + b"\n", {}, 400, "cut off: its last record is missing"),
        (gzip.compress(bulk(LINES[:3]))[:-20], {"Content-Encoding": "gzip"}, 400, "cut off: its gzip stream does not end"),
        (bulk(LINES[:3]), {"Content-Encoding": "gzip"}, 400, "not gzip"),
        (bulk(LINES[:3]), {"Content-Encoding": "br"}, 415, "'br' is not known"),
        (bulk([*LINES[:3], b'{"no": "record"}']), {}, 400, "line 8 is not a record"),
        (bulk([*LINES[:3], b"{}}"]), {}, 400, "line 8 is not a record"),
        (bulk([*LINES[:3], b'{"partitionId": 1}']), {}, 503, "no 'position'"),
        (b'{"delete":{}}\n{}\n', {}, 400, "asks for something else"),
        (bulk([LINES[5], LINES[3]]), {}, 503, "out of order"),
    ],
)
async def test_what_is_not_whole_or_not_right_is_refused_and_nothing_of_it_is_kept(
    log: EventLog, client: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int, says: str
) -> None:
    answer = await client.post("/_bulk", content=body, headers=JSON | headers)
    assert (answer.status_code, says in answer.json()["error"]["reason"]) == (status, True), answer.text
    assert await log.size() == 0
    assert (await push(client, LINES[:3])).status_code == 200  # and the exporter's next try is fine


async def test_a_client_that_goes_away_in_the_middle(log: EventLog, sink: ExporterSink, client: httpx.AsyncClient) -> None:
    body = bulk(LINES[:500])
    credentials = base64.b64encode(b"zeebe:secret").decode()
    host, port = sink.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /_bulk HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {credentials}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body[: len(body) // 2])
    await writer.drain()
    sock: socket.socket = writer.get_extra_info("socket")
    sock.shutdown(socket.SHUT_RDWR)
    writer.close()
    assert await reader.read() == b""
    assert (await push(client, LINES[:500])).status_code == 200
    assert await log.size() == 500


@pytest.mark.parametrize("auth", [None, ("zeebe", "wrong"), ("other", "secret"), ("zeebe", "")])
async def test_nobody_else_may_write(log: EventLog, sink: ExporterSink, auth: Any) -> None:
    async with httpx.AsyncClient(base_url=sink.address, auth=auth) as client:
        for answer in (await push(client, LINES[:3]), await client.get("/"), await client.get("/_status")):
            assert answer.status_code == 401
            assert "set them in the exporter's authentication" in answer.json()["error"]["reason"]
    assert await log.size() == 0


async def test_another_engines_records_are_refused(log: EventLog, client: httpx.AsyncClient) -> None:
    await push(client, LINES[:10])
    answer = await push(client, [changed(line, timestamp=1) for line in LINES[:10]])
    assert (answer.status_code, "belongs to another engine" in answer.text) == (503, True)


async def test_a_record_type_never_seen_and_a_huge_variable(log: EventLog, client: httpx.AsyncClient) -> None:
    variable = next(line for line in LINES if b'"VARIABLE"' in line)
    raw = json.loads(variable)
    huge = json.dumps({**raw, "position": 5000, "value": {**raw["value"], "value": json.dumps("x" * 5_000_000)}}).encode()
    unknown = json.dumps({**raw, "position": 5001, "valueType": "TELEPATHY", "intent": "SENSED", "value": {"variables": {"a": 1}}}).encode()
    assert (await push(client, [huge, unknown], packed=True)).status_code == 200
    assert [record.text.encode() async for record in log.records()] == [huge, unknown]


async def test_followers_are_fed_after_the_answer(log: EventLog, sink: ExporterSink, client: httpx.AsyncClient) -> None:
    await push(client, LINES)
    await sink.stop()
    found = await log.database.read(
        lambda connection: connection.exec_driver_sql("SELECT min(position) FROM projection_positions").scalar()
    )
    assert found == await log.position()


async def test_a_disk_that_is_full_makes_the_exporter_try_again(log: EventLog, client: httpx.AsyncClient) -> None:
    await push(client, LINES[:10])
    pages = await log.database.write(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar())
    most = [pages]

    def limit(connection: Any, *_: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {most[0]}")

    event.listen(log.database.engine, "checkout", limit)
    answer = await push(client, LINES)
    assert (answer.status_code, "full" in answer.json()["error"]["reason"]) == (503, True), answer.text
    assert await log.size() == 10
    most[0] = 1_000_000  # somebody has made room
    assert (await push(client, LINES)).status_code == 200
    assert await log.size() == len(LINES)


async def test_outside_of_loopback_it_wants_a_password(log: EventLog) -> None:
    with pytest.raises(ConfigurationError, match="needs a password: set CAMUNDA_WORKERS_SINK_PASSWORD"):
        ExporterSink(log, host="0.0.0.0")


async def test_a_port_that_is_taken(log: EventLog, sink: ExporterSink) -> None:
    with pytest.raises(ConfigurationError, match=r"the sink's port \d+ is taken"):
        await ExporterSink(log, port=int(sink.address.rpartition(":")[2])).start()


def test_the_brokers_configuration() -> None:
    properties = exporter_properties("http://127.0.0.1:9200", password="p")
    assert properties["zeebe.broker.exporters.records.args.url"] == "http://127.0.0.1:9200"
    assert properties["zeebe.broker.exporters.records.args.authentication.password"] == "p"
    assert properties["zeebe.broker.exporters.records.args.index.userTask"] is True
