"""Progress bars for long work, drawn on stderr so that stdout stays for results."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TransferSpeedColumn


class Bars:
    """Implements `camunda_workers.engine.embedded.jars.Progress` with rich; plain lines where stderr is no terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def begin(self, title: str, total: int) -> None:
        self.end()
        if not self._console.is_terminal:
            self._console.print(f"{title} ({total / 1e6:.0f} MB) ..." if total > 1_000_000 else f"{title} ...", soft_wrap=True)
            return
        in_bytes = [DownloadColumn(), TransferSpeedColumn()] if total > 1_000_000 else []
        self._bar = Progress(TextColumn("{task.description}"), BarColumn(), *in_bytes, TimeElapsedColumn(), console=self._console)
        self._task = self._bar.add_task(title, total=total or None)
        self._bar.start()

    def advance(self, amount: int) -> None:
        if self._bar is not None:
            self._bar.advance(self._task, amount)

    def end(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.stop()
