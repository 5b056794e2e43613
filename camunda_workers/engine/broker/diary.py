"""What a broker writes down while it runs, and the part of it that tells why it ended."""

from __future__ import annotations

from pathlib import Path

from camunda_workers.errors import EngineFailure

RECENT = 100_000
"""Bytes of a log that are read to tell what happened last."""


class Diary:
    """What a broker writes down while it runs.

    Args:
        folder: its data folder.
    """

    def __init__(self, folder: Path) -> None:
        self.log = folder / "logs" / "zeebe.log"
        self.output = folder / "logs" / "output.log"
        self._read_from = 0

    def open(self) -> None:
        """Remember where this start's part of the log begins."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._read_from = self.log.stat().st_size if self.log.exists() else 0

    def text(self) -> str:
        """What was written since, the end of it."""
        return "\n".join((self._read(self.output, 0), self._read(self.log, self._read_from)))

    def ended(self, what: str, lines: int = 12) -> EngineFailure:
        """The error for a broker that is not as it should be, with the last lines of its log."""
        written = [line.strip()[:300] for line in self.text().splitlines()]
        # Of a stack trace, what was thrown tells more than where.
        telling = [line for line in written if line and not line.startswith(("at ", "... "))]
        said = "\n  ".join(telling[-lines:]) or "(nothing)"
        return EngineFailure(f"{what}. Its last words ({self.log}):\n  {said}")

    @staticmethod
    def _read(path: Path, start: int) -> str:
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                # A log that was rotated meanwhile is shorter than it was.
                file.seek(max(start if size >= start else 0, size - RECENT))
                return file.read().decode(errors="replace")
        except OSError:
            return ""
