"""Download pinned files: several at once, resumable, checked, and named only when whole."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import certifi
import httpx

from camunda_workers.engine.embedded.jars import Fetchable, Progress, missing_jars
from camunda_workers.errors import SetupError

PARALLEL = 4
ATTEMPTS = 4
AGAIN = "what was fetched is kept: run `camunda-workers setup` again"


def fetch_all(
    jars: Sequence[Fetchable],
    folder: Path,
    repository: str,
    progress: Progress,
    *,
    notice: str = "",
    back_off: float = 0.5,
    title: str = "Fetching the engine",
    again: str = AGAIN,
) -> None:
    """Fetch every jar that is not in the folder yet.

    Args:
        jars: what the folder has to hold afterwards.
        folder: created if need be; a download in progress is ``<name>.part`` in it.
        repository: root of a Maven repository.
        progress: told about every byte.
        notice: said once before the first byte, when none of the jars was there.
        back_off: seconds before the second attempt at a file; doubles with each further one.
        title: what the progress bar is called.
        again: how to go on, at the end of an error's text.

    Raises:
        SetupError: with one line that says what to do.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_process_at_a_time(folder / ".lock"):
            missing = missing_jars(jars, folder)
            if not missing:
                return  # another process fetched them while this one waited
            if notice and len(missing) == len(jars):
                progress.say(notice)
            progress.begin(title, sum(jar.size for jar in missing))
            try:
                _fetch_missing(missing, folder, repository, progress, back_off, again)
            finally:
                progress.end()
    except OSError as error:
        reason = error.strerror or str(error)
        raise SetupError(
            f"cannot write to {folder} ({reason}): free some space, or set CAMUNDA_WORKERS_CACHE_DIR to another folder"
        ) from error


def _fetch_missing(missing: Sequence[Fetchable], folder: Path, repository: str, progress: Progress, back_off: float, again: str) -> None:
    timeout = httpx.Timeout(30.0, connect=15.0)
    with httpx.Client(verify=trust(), follow_redirects=True, timeout=timeout) as client, ThreadPoolExecutor(PARALLEL) as pool:
        run = _Run(client, folder, repository, progress, back_off, again)
        # The largest first, so that the last one does not run alone.
        futures = [pool.submit(run.fetch, jar) for jar in sorted(missing, key=lambda jar: -jar.size)]
        try:
            for future in futures:
                future.result()
        except BaseException:
            run.stop.set()  # Ctrl-C or the first error: the other threads stop at their next block and keep their .part files
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def trust() -> ssl.SSLContext:
    """Trust what the system trusts and what certifi ships: company proxies need the first, some macOS Pythons the second."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


@dataclass(frozen=True, slots=True)
class _Run:
    """What the downloads of one run share."""

    client: httpx.Client
    folder: Path
    repository: str
    progress: Progress
    back_off: float
    again: str
    stop: threading.Event = field(default_factory=threading.Event)

    def fetch(self, jar: Fetchable) -> None:
        part = self.folder / f"{jar.file_name}.part"
        counted = 0  # bytes of this jar that progress was told about: a repeated attempt must not count twice
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                for have in _download(self.client, f"{self.repository}/{jar.repository_path}", part, jar.size):
                    self.progress.advance(max(have - counted, 0))
                    counted = max(have, counted)
                    if self.stop.is_set():
                        return
            except httpx.HTTPStatusError as error:
                status = error.response.status_code
                if last or (status < 500 and status not in (408, 429)):
                    reason = (
                        f"the Maven repository answered {status} for {jar.coordinate}: check the mirror in jgo's settings, if one is set"
                    )
                    raise SetupError(f"{reason}; {self.again}") from error
            except httpx.TransportError as error:
                if last:
                    reason = (
                        f"no network, or it broke off while fetching {jar.coordinate} ({_reason(error)}): check the connection or proxy"
                    )
                    raise SetupError(f"{reason}; {self.again}") from error
            else:
                if jar.matches(part):
                    part.replace(self.folder / jar.file_name)
                    return
                part.unlink()  # resumed from a damaged part, or altered on the way: the next attempt starts from nothing
                if last:
                    reason = f"{jar.coordinate} is not the pinned file (its checksum differs): check the proxy or mirror in use"
                    raise SetupError(f"{reason}; {self.again}")
                continue
            self.stop.wait(self.back_off * 2 ** (attempt - 1))


def _download(client: httpx.Client, url: str, part: Path, size: int) -> Iterator[int]:
    """Append to the part file what it lacks, yielding how many bytes it has after each block."""
    have = part.stat().st_size if part.exists() else 0
    if have > size:
        part.unlink()
        have = 0
    yield have
    if have == size:
        return
    # Without "identity" a proxy may compress, and ranges of the compressed form would be meaningless.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            raise httpx.ReadError("the server refused to resume")
        response.raise_for_status()
        resumed = response.status_code == HTTPStatus.PARTIAL_CONTENT
        have = have if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            for block in response.iter_raw():  # of whatever size it comes: gathered blocks would be lost when it breaks off
                file.write(block)
                have += len(block)
                yield have
    if have < size:
        raise httpx.ReadError(f"{have:,} of {size:,} bytes arrived")


def _reason(error: Exception) -> str:
    text = str(error).splitlines()
    return text[0] if text else type(error).__name__


@contextmanager
def _one_process_at_a_time(path: Path) -> Generator[None]:
    """An advisory lock that the system releases when its holder dies, so that two processes never write one part file."""
    with path.open("a+b") as file:
        while not _try_lock(file.fileno()):
            time.sleep(0.1)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
