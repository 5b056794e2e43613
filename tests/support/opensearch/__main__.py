"""Runs one OpenSearch node until it is ended: ``python -m tests.support.opensearch FOLDER [PORT]``.

Its jars come from the Maven repository that ``mvn`` is set up for, once, into the folder; it needs a JDK 17 or later, and half a gigabyte.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

VERSION = "2.19.6"
LOG4J = "2.25.4"
PLUGINS = (
    "transport-netty4-client", "lang-painless", "reindex-client", "parent-join-client", "analysis-common", "mapper-extras-client", "ingest-common",
)  # fmt: skip
HERE = Path(__file__).parent
PATIENCE = 60.0


def _project() -> str:
    wanted = [("org.opensearch", "opensearch", VERSION), ("org.apache.logging.log4j", "log4j-core", LOG4J)]
    wanted += [("org.opensearch.plugin", name, VERSION) for name in PLUGINS]
    each = (f"<dependency><groupId>{g}</groupId><artifactId>{a}</artifactId><version>{v}</version></dependency>" for g, a, v in wanted)
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>test</groupId>'
        f"<artifactId>opensearch-node</artifactId><version>1</version><packaging>pom</packaging><dependencies>{''.join(each)}</dependencies></project>"
    )


def prepare(folder: Path) -> None:
    """Fetch the jars and compile the node, once."""
    if (folder / "ready").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pom.xml").write_text(_project())
    fetch = ("mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder / 'lib'}", "-DincludeScope=runtime")
    subprocess.run(fetch, cwd=folder, check=True)
    subprocess.run(("javac", "-cp", str(folder / "lib" / "*"), "-d", str(folder / "classes"), str(HERE / "Node.java")), check=True)
    shutil.copy(HERE / "log4j2.properties", folder / "classes")
    (folder / "ready").touch()


def main(folder: Path, port: int) -> int:
    """Run the node; says when it answers, and ends when it does."""
    if missing := [name for name in ("mvn", "javac", "java") if shutil.which(name) is None]:
        print(f"not on this machine: {', '.join(missing)}", file=sys.stderr)
        return 2
    prepare(folder)
    classes = os.pathsep.join((str(folder / "lib" / "*"), str(folder / "classes")))
    command = (
        "java",
        "-Xms512m",
        "-Xmx512m",
        "--enable-native-access=ALL-UNNAMED",
        "-cp",
        classes,
        "Node",
        str(folder / "home"),
        str(port),
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # not without the node
    node = subprocess.Popen(command, cwd=folder)
    try:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
        while node.poll() is None:
            try:
                if httpx.get(address, timeout=1, trust_env=False).is_success:
                    print(f"OpenSearch {VERSION} at {address}", flush=True)
                    return node.wait()
            except httpx.HTTPError:
                pass
            if time.monotonic() > deadline:
                print(f"no answer from {address} within {PATIENCE:.0f} s", file=sys.stderr)
                return 1
            time.sleep(0.2)
        return node.returncode or 1
    except KeyboardInterrupt:
        return 0
    finally:
        node.terminate()
        node.wait(30)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 29200))
