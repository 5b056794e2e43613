"""A real PostgreSQL server on a port of its own, which a test may stop and start again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


class PostgresServer:
    """One server with its data in a folder. The server refuses to be root, so there it runs as the user ``postgres``."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._data = folder / "data"
        self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        self._bin = next((path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)), None)

    @property
    def url(self) -> str:
        """Its address."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def _run(self, *command: str) -> None:
        program = str(self._bin / command[0]) if self._bin is not None else str(shutil.which(command[0]))
        done = subprocess.run([*self._as, program, *command[1:]], capture_output=True, text=True, check=False, cwd="/", timeout=60)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")

    def new_database(self) -> str:
        """Makes an empty database; its address."""
        name = f"log_{uuid.uuid4().hex[:12]}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return self.url.rpartition("/")[0] + f"/{name}"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        if not self._data.exists():
            self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c shared_buffers=64MB"
        self._run("pg_ctl", "-D", str(self._data), "-o", options, "-l", str(self._data / "log"), "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stops it (``immediate``: as if it had crashed); its data stays."""
        self._run("pg_ctl", "-D", str(self._data), "-m", mode, "-w", "stop")


@contextmanager
def postgres_server() -> Generator[PostgresServer]:
    """Run a server."""
    # pytest's own folder is closed to other users.
    with tempfile.TemporaryDirectory(prefix="camunda-workers-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        server = PostgresServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
