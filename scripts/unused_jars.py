"""Which of the jars that jgo resolves can the embedded engine never reach? Says what belongs into DROPPED of lock_jars.py.

The engine's test module drags in a Java gateway, a client and Spring Boot, none of which run here. A jar may be left out only if no class in it can
be linked: starting from every class that a run of the engine loads, and every class this package names, all references are followed, through
constant pools, signatures, service files and strings that look like class names. Run it after changing the engine's version:
`python scripts/unused_jars.py`, or with a version that CAMUNDA_WORKERS_ENGINE_VERSION names.
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

import jgo

from camunda_workers.engine.embedded import jvm
from camunda_workers.engine.embedded.resolve import coordinate
from camunda_workers.settings import Settings

PACKAGE = Path(__file__).parent.parent / "camunda_workers"
WIDTH = {3: 5, 4: 5, 5: 9, 6: 9, 7: 3, 8: 3, 9: 5, 10: 5, 11: 5, 12: 5, 15: 4, 16: 3, 17: 5, 18: 5, 19: 3, 20: 3}
"""Bytes per kind of entry in a class file's constant pool (Java Virtual Machine Specification, 4.4)."""


class Classes:
    """Every class of some jars, who has it, and what it refers to."""

    def __init__(self, jars: list[Path]) -> None:
        self.jar_of: dict[str, str] = {}
        self._references: dict[str, set[str]] = {}
        self._services: defaultdict[str, set[str]] = defaultdict(set)
        for jar in jars:
            with zipfile.ZipFile(jar) as archive:
                for name in archive.namelist():
                    if name.endswith(".class") and not name.startswith("META-INF/"):
                        self.jar_of.setdefault(name[:-6], jar.name)
                        self._references.setdefault(name[:-6], references(archive.read(name)))
                    elif re.fullmatch(r"META-INF/services/[^/]+", name):
                        lines = archive.read(name).decode("utf-8", "replace").splitlines()
                        self._services[as_path(name.rsplit("/", 1)[1])] |= {as_path(line.split("#")[0].strip()) for line in lines}

    def reachable(self, roots: set[str]) -> set[str]:
        """The classes that can be linked once these are loaded."""
        seen: set[str] = set()
        todo = [name for name in roots if name in self.jar_of]
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            for other in self._references[name]:
                todo += [found for found in (other, *self._services.get(other, ())) if found in self.jar_of]
        return seen


def as_path(name: str) -> str:
    return name.replace(".", "/")


def references(content: bytes) -> set[str]:
    """Every class that a class file names in any way."""
    texts: list[str] = []
    position, entry, count = 10, 1, int(struct.unpack_from(">H", content, 8)[0])
    while entry < count:
        kind = content[position]
        if kind == 1:
            length = int(struct.unpack_from(">H", content, position + 1)[0])
            texts.append(content[position + 3 : position + 3 + length].decode("latin-1"))
            position += 3 + length
        else:
            position += WIDTH[kind]
        entry += 2 if kind in (5, 6) else 1
    found: set[str] = set()
    for text in texts:
        found.update(re.findall(r"L([\w/$]+)[;<]", text))
        if re.fullmatch(r"[\w$]+([./][\w$]+)+", text):
            found.add(as_path(text))
    return found


def main() -> None:
    environment = jgo.build(coordinate(Settings().engine_version))
    jars = sorted(jar for part in ("jars", "modules") for jar in (environment.path / part).glob("*.jar"))
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "classes.lst")
        record = f"from camunda_workers.engine.embedded import jvm; jvm.run_recording({str(listed)!r}, {jvm.WARM_UP!r})"
        subprocess.run([sys.executable, "-c", record], check=True)
        roots = {line.split()[0] for line in listed.read_text(encoding="utf-8").splitlines() if line[:1] not in "#@"}
    for module in PACKAGE.rglob("*.py"):
        for name in re.findall(r'"([\w$]+(?:\.[\w$]+)+)"', module.read_text(encoding="utf-8")):
            roots |= {as_path(name), as_path(f"io.camunda.zeebe.{name}")}
    classes = Classes(jars)
    used = Counter(classes.jar_of[name] for name in classes.reachable(roots))
    for jar in jars:
        if not used[jar.name]:
            print(f"{jar.stat().st_size:>10,}  {jar.name}")


if __name__ == "__main__":
    main()
