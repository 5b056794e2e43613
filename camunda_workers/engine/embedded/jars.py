"""The engine's jars: which ones, where from, and that they are exactly those.

``jars.lock`` beside this file pins every jar of the default engine version by Maven coordinate, SHA-256 and size, ``jars-<version>.lock`` those of
another version that was tried. They are fetched to the user's machine from the Maven repository that jgo is set up for (a mirror in jgo's own
settings is honoured), never shipped with this package: the engine's modules are under Camunda License 1.0. Any other engine version is resolved
and fetched by jgo, without pins of ours (``resolve.py``).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol, TypeVar

from camunda_workers.errors import ConfigurationError, MissingExtra

DEFAULT_ENGINE_VERSION = "8.8.21"
PACKAGE = "camunda_workers.engine.embedded"
COMPLETE = "complete"
"""The file that lists the jars of a version without pins, in class-path order; there when all of them are."""
LICENCE_NOTICE = (
    "Fetching Camunda's engine {version}. Its modules are under Camunda License 1.0: free for non-production use; "
    "production use needs a licence from Camunda (camunda.com/legal). They are not part of this package."
)


F = TypeVar("F", bound="Fetchable")


class Progress(Protocol):
    """Where long work reports to; the command line draws a bar, a library user may pass nothing."""

    def say(self, text: str) -> None:
        """One line for people."""
        ...

    def begin(self, title: str, total: int) -> None:
        """A step with a known size (bytes, or 0 where it is not known) starts."""
        ...

    def advance(self, amount: int) -> None:
        """Part of the current step is done; may be called from several threads."""
        ...

    def end(self) -> None:
        """The current step is over, however it went."""
        ...


class Lines:
    """The `Progress` of a program that passes none: one line on stderr per message and step, so that no fetch, and no licence, goes unsaid."""

    def say(self, text: str) -> None:
        print(text, file=sys.stderr)

    def begin(self, title: str, total: int) -> None:
        print(f"{title} ({total / 1e6:.0f} MB) ..." if total > 1_000_000 else f"{title} ...", file=sys.stderr)

    def advance(self, amount: int) -> None: ...

    def end(self) -> None: ...


class Fetchable(Protocol):
    """One file of a Maven repository that can be fetched and told whole from damaged."""

    @property
    def coordinate(self) -> str:
        """How people name it."""
        ...

    @property
    def file_name(self) -> str:
        """Its name, here and there."""
        ...

    @property
    def repository_path(self) -> str:
        """Where it is in any Maven repository, relative to its root."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def matches(self, path: Path) -> bool:
        """Whether this file is exactly the wanted one."""
        ...


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned jar.

    Attributes:
        coordinate: ``group:artifact:version`` or ``group:artifact:version:classifier``.
        sha256: of the whole file, hexadecimal.
        size: in bytes.
        platform: ``linux``, ``macos`` or ``windows`` for a jar that only that system needs; empty for all.
    """

    coordinate: str
    sha256: str
    size: int
    platform: str = ""

    @property
    def file_name(self) -> str:
        _, artifact, version, *classifier = self.coordinate.split(":")
        return "-".join([artifact, version, *classifier]) + ".jar"

    @property
    def repository_path(self) -> str:
        """Where the jar is in any Maven repository, relative to its root."""
        group, artifact, version, *_ = self.coordinate.split(":")
        return "/".join([*group.split("."), artifact, version, self.file_name])

    def matches(self, path: Path) -> bool:
        """Whether this file has the pinned SHA-256."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


def this_platform() -> str:
    """The name that `Jar.platform` uses for the system this runs on."""
    if sys.platform == "darwin":
        return "macos"
    return "windows" if sys.platform == "win32" else "linux"


def parse_lock(text: str) -> tuple[str, list[Jar]]:
    """Read a lock: the engine version it is for, and its jars in class-path order.

    Raises:
        ConfigurationError: a line is not ``coordinate sha256 size [platform]``, or the engine version is not named.
    """
    version, jars = "", list[Jar]()
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("# engine "):
            version = line.removeprefix("# engine ").strip()
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        if len(fields) not in (3, 4) or fields[0].count(":") not in (2, 3) or len(fields[1]) != 64 or not fields[2].isdigit():
            expected = "group:artifact:version[:classifier] sha256 size [platform]"
            raise ConfigurationError(f"jars.lock, line {number}: expected '{expected}', found {line!r}")
        jars.append(Jar(fields[0], fields[1], int(fields[2]), fields[3] if len(fields) == 4 else ""))
    if not version or not jars:
        raise ConfigurationError(
            "jars.lock names no engine version or no jars: this installation is damaged, install camunda-workers again"
        )
    return version, jars


def lock_name(version: str) -> str:
    """The file that pins a version's jars, beside this module; for most versions there is none."""
    return "jars.lock" if version == DEFAULT_ENGINE_VERSION else f"jars-{version}.lock"


def locked_versions() -> list[str]:
    """The versions whose jars are pinned, the default one first: those that were tried."""
    names = [entry.name for entry in resources.files(PACKAGE).iterdir()]
    others = [name.removeprefix("jars-").removesuffix(".lock") for name in names if name.startswith("jars-") and name.endswith(".lock")]
    return [DEFAULT_ENGINE_VERSION, *sorted(others)]


def locked_jars(version: str = DEFAULT_ENGINE_VERSION, platform: str | None = None) -> list[Jar]:
    """The pinned jars of an engine version for a platform (default: this one), in class-path order; none for a version without pins."""
    if version != DEFAULT_ENGINE_VERSION and version not in locked_versions():
        return []  # asked first: a version comes from the user, and becomes part of a path only when it is one of ours
    text = resources.files(PACKAGE).joinpath(lock_name(version)).read_text(encoding="utf-8")
    wanted = platform or this_platform()
    return [jar for jar in parse_lock(text)[1] if jar.platform in ("", wanted)]


def engine_folder(version: str, cache_dir: Path) -> Path:
    """The folder that keeps everything fetched or built for one engine version."""
    return cache_dir / f"engine-{version}"


def missing_jars(jars: Sequence[F], folder: Path) -> list[F]:
    """The jars that are not in the folder whole.

    A file gets its final name only after its hash was checked, so name and size are enough here; reading 80 MB at every start would cost more
    than the engine's own start.
    """

    def there(jar: Fetchable) -> bool:
        try:
            return (folder / jar.file_name).stat().st_size == jar.size
        except OSError:
            return False

    return [jar for jar in jars if not there(jar)]


def jars_are_here(version: str, cache_dir: Path) -> bool:
    """Whether an engine of this version starts without a network."""
    folder = engine_folder(version, cache_dir) / "jars"
    jars = locked_jars(version)
    return not missing_jars(jars, folder) if jars else (folder / COMPLETE).exists()


def ensure_engine_jars(version: str, cache_dir: Path, progress: Progress | None = None, *, repository: str | None = None) -> list[Path]:
    """Make sure that the engine's jars are on this machine, and name them in class-path order.

    Blocking (call it in a thread from async code); safe to call from several processes at once; resumes what was broken off; touches no network
    when everything is there.

    Args:
        version: the engine's version; those with a lock are pinned by hash, any other is resolved by jgo.
        cache_dir: jars go to ``<cache_dir>/engine-<version>/jars``.
        progress: told about every fetched byte; by default one line per step goes to stderr.
        repository: root of a Maven repository to use instead of the one jgo is set up for.

    Raises:
        SetupError: no network, a full disk, a file that is not the pinned one: one line that says what to do.
        MissingExtra: jgo is not installed.
    """
    progress = progress or Lines()
    folder = engine_folder(version, cache_dir) / "jars"
    jars = locked_jars(version)
    if not jars:
        from camunda_workers.engine.embedded.resolve import resolved_jars

        return resolved_jars(version, folder, progress)
    if missing_jars(jars, folder):
        # Imported only now: an engine that starts from a full cache has no use for an HTTP client.
        from camunda_workers.engine.embedded.fetch import fetch_all

        fetch_all(jars, folder, repository or maven_repository(), progress, notice=LICENCE_NOTICE.format(version=version))
    return [folder / jar.file_name for jar in jars]


def maven_repository() -> str:
    """The root of the Maven repository in use: the mirror named ``central`` in jgo's settings, else jgo's default."""
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
    except ImportError as error:
        raise MissingExtra("embedded", "Fetching the engine") from error
    return GlobalSettings.load().repositories.get("central", MAVEN_CENTRAL_URL).rstrip("/")
