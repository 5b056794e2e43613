"""How the broker is told what to do: ports, configuration, command line, environment. Pure, apart from asking the system for free ports."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from camunda_workers.errors import ConfigurationError, SetupError

LOOPBACK = "127.0.0.1"
HEAP_MB = 768
CONFIGURATION = "broker.yaml"
"""The configuration file's name in the data folder. Its content is JSON, which is YAML as well."""

TEMPORARY = "tmp"
"""Where the broker's temporary files go, in the data folder."""

KEPT_VARIABLES = frozenset({"CAMUNDA_LICENSE_KEY", "ZEEBE_LOG_LEVEL", "ATOMIX_LOG_LEVEL"})
_CONFIGURING = re.compile(r"(ZEEBE|CAMUNDA|ATOMIX|OPERATE|TASKLIST|SPRING|SERVER|MANAGEMENT|LOGGING)_")

Properties = Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the broker listens: for clients (gRPC, REST), for operators (management) and for itself (command, internal)."""

    grpc: int
    rest: int
    management: int
    command: int
    internal: int


def choose_ports(grpc: int = 0, rest: int = 0, management: int = 0) -> Ports:
    """Take the given ports, and free ones for the others.

    Raises:
        ConfigurationError: a given port is taken.
    """
    with ExitStack() as held:  # all at once, so that no two are the same

        def hold(port: int, what: str) -> int:
            listener = held.enter_context(socket.socket())
            if sys.platform != "win32":  # as the broker itself does: a port that only waits for its last packets is free
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((LOOPBACK, port))
                listener.listen(1)
            except OSError as error:
                raise ConfigurationError(f"{what} port {port} is taken: choose another one, or 0 for a free one") from error
            return int(listener.getsockname()[1])

        return Ports(hold(grpc, "gRPC"), hold(rest, "REST"), hold(management, "management"), hold(0, "command"), hold(0, "internal"))


def properties(ports: Ports, data: Path, *, controlled_clock: bool, more: Properties) -> dict[str, str | int | bool]:
    """The broker's configuration, in Spring's names.

    Everything listens on loopback, but for the internal port's UDP side: the broker binds that one to every interface and has no setting for
    it. It drops whatever does not begin with a number made from the cluster's name, before it looks at the rest, so each start has a name
    that nobody can guess.
    """
    return {
        "zeebe.broker.cluster.clusterName": f"local-{secrets.token_hex(16)}",
        "zeebe.broker.data.directory": str(data / "data"),
        "zeebe.broker.data.logSegmentSize": "32MB",  # laid out at once; the stock 128 MB make every folder as large
        "zeebe.broker.experimental.rocksdb.memoryLimit": "256MB",
        "zeebe.broker.network.host": LOOPBACK,
        "zeebe.broker.network.advertisedHost": LOOPBACK,
        "zeebe.broker.network.commandApi.port": ports.command,
        "zeebe.broker.network.internalApi.port": ports.internal,
        "zeebe.broker.gateway.network.host": LOOPBACK,
        "zeebe.broker.gateway.network.port": ports.grpc,
        "server.address": LOOPBACK,
        "server.port": ports.rest,
        "management.server.address": LOOPBACK,
        "management.server.port": ports.management,
        "zeebe.clock.controlled": controlled_clock,
        **more,
    }


def write_configuration(data: Path, content: Properties) -> Path:
    """Write the configuration where only this user can read it: an exporter's credentials may be in it."""
    path = data / CONFIGURATION
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path


def main_class(distribution: Path) -> str:
    """The class that the distribution's own start script runs; it has moved between versions.

    Raises:
        SetupError: the script is not there, or is not what it was.
    """
    script = distribution / "bin" / "broker"
    try:
        found = re.findall(r"^\s*(io\.camunda\.[\w.]+)", script.read_text(encoding="utf-8"), flags=re.MULTILINE)
    except OSError as error:
        raise SetupError(f"{distribution} holds no broker: remove the folder, and it will be fetched again") from error
    if len(found) != 1:
        raise SetupError(f"{script} does not say what to start: this version is not known here, choose another one")
    return str(found[0])


def clear_temporary(data: Path) -> None:
    """Remove what an earlier broker of this folder left in its temporary one, and make it anew."""
    shutil.rmtree(data / TEMPORARY, ignore_errors=True)
    (data / TEMPORARY).mkdir(parents=True, exist_ok=True)


def command(java: Path, distribution: Path, data: Path, configuration: Path, heap_mb: int) -> list[str]:
    """The command line: the start script's own, without the shell.

    ``app.home`` and ``basedir`` point at the data folder, so that logs and whatever has a relative path go there and not into the cache. So do
    temporary files: a broker that is killed leaves 15 MB of them behind (RocksDB's library), which the next start removes.
    """
    class_path = [distribution / "config", distribution / "lib" / "*"]
    return [
        str(java),
        f"-Xmx{heap_mb}m",
        "-XX:+ExitOnOutOfMemoryError",
        "-Dfile.encoding=UTF-8",
        "-Djava.awt.headless=true",
        "-Dapp.name=broker",
        f"-Dapp.home={data}",
        f"-Dbasedir={data}",
        f"-Djava.io.tmpdir={data / TEMPORARY}",
        f"-Dspring.config.additional-location={configuration.as_uri()}",
        "-cp",
        (";" if sys.platform == "win32" else ":").join(map(str, class_path)),
        main_class(distribution),
    ]


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The broker's environment: ours without the variables that would configure it, for they go before its configuration file.

    Without this, ``ZEEBE_BROKER_NETWORK_HOST`` left over from something else would open the broker to the network. The licence key stays.
    """
    kept = {name: value for name, value in inherited.items() if name in KEPT_VARIABLES or not _CONFIGURING.match(name)}
    return kept | {"ZEEBE_LOG_APPENDER": "RollingFile"}  # the log file alone; what Java prints itself is kept apart
