"""One broker per data folder: a lock that the system itself releases when the last process holding it is gone."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class FolderLock:
    """An advisory lock on a folder, in a file in it that names the holder's process id.

    On POSIX a child that inherits `descriptor` holds the lock too. So a broker whose Python process was killed keeps its folder locked until
    it has ended itself, and no second one can write there meanwhile.

    Args:
        folder: created if need be.
        name: of the file.
    """

    def __init__(self, folder: Path, name: str = ".lock") -> None:
        self._folder = folder
        self._path = folder / name
        self._file: IO[bytes] | None = None

    @property
    def descriptor(self) -> int | None:
        """The open file that holds the lock; ``None`` while it is not held."""
        return self._file.fileno() if self._file is not None else None

    def acquire(self) -> bool:
        """Take the lock; ``False`` when another one has it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._path.open("a+b")
        if not _try_lock(file.fileno()):
            file.close()
            return False
        if sys.platform != "win32":  # there a locked file cannot be written to, nor read by others
            file.truncate(0)
            file.write(str(os.getpid()).encode())
            file.flush()
        self._file = file
        return True

    def holder(self) -> int | None:
        """The process that took the lock last, while it still runs and where that can be known."""
        if sys.platform == "win32":
            return None
        try:
            holder = int(self._path.read_text())
            os.kill(holder, 0)
        except (OSError, ValueError):
            return None
        return holder

    def release(self) -> None:
        """Give the lock back, if it is held."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    @contextmanager
    def waiting(self) -> Generator[None]:
        """Hold the lock, waiting for it as long as it takes. Blocking."""
        while not self.acquire():
            time.sleep(0.1)
        try:
            yield
        finally:
            self.release()


def _try_lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
