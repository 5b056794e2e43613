"""Compiles the few Java classes of the embedded engine (``java_side/``) into the jar beside them; needs a JDK 21 or newer and the engine's jars.

Run it after a change to one of them (``make java``). The jar is kept in the repository, so that nobody else needs a JDK; it carries the digest of
the sources it was made from, and a test compares them. The one jar serves every version of the engine: the sources are compiled against each that
was tried and is on this machine, the default one last.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from camunda_workers.engine.embedded.jars import ensure_engine_jars, jars_are_here, locked_versions
from camunda_workers.engine.embedded.java_side import JAR, SOURCES, digest_of_sources
from camunda_workers.settings import Settings

RELEASE = "21"
MADE = (1980, 1, 1, 0, 0, 0)
"""The time of every entry: the same sources give the same jar."""


def main() -> int:
    home = os.environ.get("JAVA_HOME")
    compiler = shutil.which("javac", path=str(Path(home, "bin"))) if home else shutil.which("javac")
    if compiler is None:
        print("no javac here: install a JDK 21 or newer, or set JAVA_HOME", file=sys.stderr)
        return 1
    settings = Settings()
    default, *others = locked_versions()
    sources = sorted(SOURCES.glob("*.java"))
    with tempfile.TemporaryDirectory() as folder:
        for version in (*(other for other in others if jars_are_here(other, settings.cache_dir)), default):
            class_path = os.pathsep.join(str(jar) for jar in ensure_engine_jars(version, settings.cache_dir))
            arguments = ["--release", RELEASE, "-Xlint:all,-path,-classfile", "-cp", class_path, "-d", folder]
            if subprocess.run([compiler, *arguments, *map(str, sources)], check=False).returncode:
                print(f"they do not fit engine {version}", file=sys.stderr)
                return 1
        with zipfile.ZipFile(JAR, "w", zipfile.ZIP_DEFLATED) as jar:
            jar.writestr(zipfile.ZipInfo("sources.sha256", MADE), digest_of_sources())
            for compiled in sorted(Path(folder).rglob("*.class")):
                jar.writestr(zipfile.ZipInfo(compiled.relative_to(folder).as_posix(), MADE), compiled.read_bytes())
    print(f"{len(sources)} classes in {JAR.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
