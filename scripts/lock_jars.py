"""Write camunda_workers/engine/embedded/jars.lock: what jgo resolves for the default engine version, hashed here and now.

Run by `make lock` on a machine with network. Jars that the engine cannot reach are left out. Another engine version that is to be tried gets a lock
of its own: `python scripts/lock_jars.py 8.9.0-rc2` writes jars-8.9.0-rc2.lock.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import httpx
import jgo

from camunda_workers.engine.embedded.fetch import trust
from camunda_workers.engine.embedded.jars import DEFAULT_ENGINE_VERSION, Jar, lock_name, maven_repository
from camunda_workers.engine.embedded.resolve import coordinate

HEADER = """\
# The engine's jars, in class-path order: group:artifact:version[:classifier] sha256 size [platform]
# Written by scripts/lock_jars.py (make lock).
# engine {version}
"""
LOCKS = Path(__file__).parent.parent / "camunda_workers/engine/embedded"
DROPPED = (
    # The test module's Java gateway and Java client, their network stack and its native TLS: our gateway is Python (grpc.aio).
    "zeebe-client-java",
    "zeebe-gateway-protocol-impl",
    "grpc-",
    "gson",
    "httpclient5",
    "httpcore5",
    "netty-",
    "perfmark-api",
    "proto-google-common-protos",
    "protobuf-java",
    # Broker configuration. (spring-core and spring-beans stay: engine classes refer to them.)
    "spring-boot",
    "spring-context",
    "spring-expression",
)
"""What starts so is left out. Only what scripts/unused_jars.py says can never be reached may be in here; small jars are not worth a line."""
# One jar per system instead of one for all (73 MB); each holds x86-64 and arm64, Windows x86-64 only.
ROCKSDB = {"linux64": "linux", "osx": "macos", "win64": "windows"}


def main() -> None:
    version = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_ENGINE_VERSION
    environment = jgo.build(coordinate(version))
    lockfile = environment.lockfile
    if lockfile is None:
        raise SystemExit("jgo left no lock file behind")
    files = {path.name: path for part in ("jars", "modules") for path in (environment.path / part).glob("*.jar")}
    jars: list[Jar] = []
    for found in lockfile.dependencies:
        name = ":".join(part for part in (found.groupId, found.artifactId, found.version, found.classifier) if part)
        if found.artifactId.startswith(DROPPED):
            continue
        if found.artifactId == "rocksdbjni":
            jars += [measure(f"{name}:{classifier}", platform) for classifier, platform in ROCKSDB.items()]
            continue
        content = files[Jar(name, "", 0).file_name].read_bytes()
        jars.append(Jar(name, hashlib.sha256(content).hexdigest(), len(content)))
    jars.sort(key=lambda jar: jar.file_name)
    lines = [" ".join(filter(None, (jar.coordinate, jar.sha256, str(jar.size), jar.platform))) for jar in jars]
    lock = LOCKS / lock_name(version)
    lock.write_text(HEADER.format(version=version) + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{lock.name}: {len(jars)} jars, {sum(jar.size for jar in jars if jar.platform in ('', 'linux')) / 1e6:.0f} MB on Linux")


def measure(coordinate: str, platform: str) -> Jar:
    """Fetch a jar that jgo did not resolve itself, to learn its hash and size."""
    path = Jar(coordinate, "", 0).repository_path
    with httpx.Client(verify=trust(), follow_redirects=True, timeout=300) as client:
        content = client.get(f"{maven_repository()}/{path}").raise_for_status().content
    return Jar(coordinate, hashlib.sha256(content).hexdigest(), len(content), platform)


if __name__ == "__main__":
    main()
