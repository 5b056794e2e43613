"""What the broker is told, and how it is asked whether it is ready."""

from __future__ import annotations

import json
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from camunda_workers.client.proto import gateway_pb2 as pb
from camunda_workers.engine.broker import BrokerEngine
from camunda_workers.engine.broker.clock import BrokerClock
from camunda_workers.engine.broker.config import Ports, choose_ports, command, environment, main_class, properties, write_configuration
from camunda_workers.engine.broker.probe import Probe, partitions_problem
from camunda_workers.errors import ConfigurationError, EngineUnavailable, InvalidArgument, NotSupported, SetupError
from camunda_workers.settings import Settings

PORTS = Ports(1, 2, 3, 4, 5)
SCRIPT = 'exec "$JAVACMD" \\\n  -Dbasedir="$BASEDIR" \\\n  io.camunda.application.StandaloneBroker \\\n  "$@"\n'


def test_ports_are_free_and_different() -> None:
    ports = choose_ports()
    assert len({ports.grpc, ports.rest, ports.management, ports.command, ports.internal}) == 5


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"REST port {port} is taken"):
            choose_ports(rest=port)
        with pytest.raises(ConfigurationError, match="is taken"):
            choose_ports(grpc=(free := choose_ports().grpc), rest=free)


def test_everything_listens_on_loopback(tmp_path: Path) -> None:
    content = properties(PORTS, tmp_path, controlled_clock=True, more={"zeebe.broker.data.logSegmentSize": "64MB"})
    hosts = {name: value for name, value in content.items() if name.lower().endswith((".host", "host", ".address"))}
    assert set(hosts.values()) == {"127.0.0.1"}
    assert len(hosts) == 5
    assert content["zeebe.broker.data.logSegmentSize"] == "64MB"
    again = properties(PORTS, tmp_path, controlled_clock=True, more={})
    name = "zeebe.broker.cluster.clusterName"
    assert content[name] != again[name]  # nobody can guess it


def test_the_configuration_is_for_its_user_alone(tmp_path: Path) -> None:
    path = write_configuration(tmp_path, {"a.b": "ü", "c": 1, "d": True})
    assert json.loads(path.read_text()) == {"a.b": "ü", "c": 1, "d": True}
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o077 == 0


def test_the_command_line_is_the_start_scripts(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/broker").write_text(SCRIPT)
    line = command(Path("java"), tmp_path, tmp_path / "my data", tmp_path / "my data" / "broker.yaml", 512)
    assert line[-1] == "io.camunda.application.StandaloneBroker"
    assert "-Xmx512m" in line
    assert f"-Djava.io.tmpdir={tmp_path / 'my data' / 'tmp'}" in line
    assert next(part for part in line if "additional-location" in part).endswith("/my%20data/broker.yaml")


def test_a_distribution_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="holds no broker"):
        main_class(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/broker").write_text("exec java -jar broker.jar")
    with pytest.raises(SetupError, match="does not say what to start"):
        main_class(tmp_path)


def test_the_environment_does_not_configure_the_broker() -> None:
    inherited = {
        "PATH": "/bin",
        "ZEEBE_BROKER_NETWORK_HOST": "0.0.0.0",
        "SPRING_CONFIG_LOCATION": "x",
        "SERVER_ADDRESS": "0.0.0.0",
        "MANAGEMENT_SERVER_PORT": "1",
        "CAMUNDA_LICENSE_KEY": "key",
        "ZEEBE_LOG_LEVEL": "debug",
    }
    given = environment(inherited)
    assert given == {"PATH": "/bin", "CAMUNDA_LICENSE_KEY": "key", "ZEEBE_LOG_LEVEL": "debug", "ZEEBE_LOG_APPENDER": "RollingFile"}


def topology(*partitions: pb.Partition, count: int = 1) -> pb.TopologyResponse:
    return pb.TopologyResponse(partitionsCount=count, brokers=[pb.BrokerInfo(partitions=partitions)])


def test_ready_means_a_healthy_leader_for_each_partition() -> None:
    leader = pb.Partition(partitionId=1, role=pb.Partition.LEADER, health=pb.Partition.HEALTHY)
    assert partitions_problem(topology(leader)) == ""
    assert partitions_problem(topology(leader, count=2)) == "partition 2 has no healthy leader"
    assert "partition 1" in partitions_problem(
        topology(pb.Partition(partitionId=1, role=pb.Partition.FOLLOWER, health=pb.Partition.HEALTHY))
    )
    assert "partition 1" in partitions_problem(
        topology(pb.Partition(partitionId=1, role=pb.Partition.LEADER, health=pb.Partition.UNHEALTHY))
    )
    assert "partition 1" in partitions_problem(pb.TopologyResponse())


async def test_nobody_there_is_a_problem_and_no_error() -> None:
    async with Probe("127.0.0.1:9") as probe:
        assert "does not answer" in await probe.problem()


async def test_a_clock_that_stands_in_for_the_machines(tmp_path: Path) -> None:
    clock = BrokerClock("http://127.0.0.1:9", tmp_path, controlled=False)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    await clock.resume()
    with pytest.raises(NotSupported, match="--controlled-clock"):
        await clock.advance(timedelta(hours=1))


async def test_a_folders_clock_never_jumps_back(tmp_path: Path) -> None:
    clock = BrokerClock("http://127.0.0.1:9", tmp_path, controlled=True)
    with pytest.raises(InvalidArgument, match="time cannot go back"):
        await clock.advance(timedelta(seconds=-1))
    with pytest.raises(EngineUnavailable, match="could not be moved"):
        await clock.advance(timedelta(hours=36))
    assert BrokerClock("http://127.0.0.1:9", tmp_path, controlled=True).offset == timedelta(hours=36)
    with pytest.raises(ConfigurationError, match=r"moved by 1 day, 12:00:00.*--controlled-clock"):
        BrokerClock("http://127.0.0.1:9", tmp_path, controlled=False)


async def test_a_broker_that_does_not_run(tmp_path: Path) -> None:
    engine = BrokerEngine(tmp_path / "data", settings=Settings(cache_dir=tmp_path))
    assert not await engine.healthy()
    with pytest.raises(EngineUnavailable, match="is not running"):
        _ = engine.pid
    await engine.stop()
    await engine.kill()
    assert not (tmp_path / "data").exists()
