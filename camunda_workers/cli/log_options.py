"""What all commands on the event log share: which log, which key, how to print."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camunda_workers.errors import ReadModelError
from camunda_workers.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from camunda_workers.events import EventLog
    from camunda_workers.events.chain.checkpoint import Checkpoint
    from camunda_workers.events.chain.note import Signer, Verifier

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="The folder with the event log; default CAMUNDA_WORKERS_DATA_DIR.")]
Log = Annotated[
    str | None, typer.Option("--log", help="The log itself: a file, or postgresql://user@host/database.", metavar="FILE|ADDRESS")
]
Key = Annotated[Path | None, typer.Option("--key", help="The file with the log's private key; by default beside the log.", metavar="FILE")]
PublicKey = Annotated[
    str | None,
    typer.Option("--public-key", help="The log's public key, or a file with it; by default the one beside the log.", metavar="KEY"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def open_log(data_dir: Path | None, log: str | None, *, create: bool = False, durable: bool = False) -> EventLog:
    """Open the log that is meant.

    Raises:
        ReadModelError: there is none, and none is to be made.
    """
    from camunda_workers.events import DEFAULT_FILE, EventLog

    settings = Settings()
    if log is None and data_dir is None and settings.event_log is not None:
        log = settings.event_log.get_secret_value()
    target = log if log is not None else (data_dir if data_dir is not None else settings.data_dir) / DEFAULT_FILE
    if "://" in str(target):
        return EventLog.open(str(target), durable=durable)
    path = Path(target).expanduser()
    if not create and not path.is_file():
        raise ReadModelError(f"there is no event log at {path}: name one with --log, or its folder with --data-dir")
    return EventLog.open(path, durable=durable)


def signer_of(log: EventLog, key: Path | None, data_dir: Path | None) -> Signer:
    """The log's private key; made where there is none."""
    from camunda_workers.events.chain.notary import key_path, load_signer, origin_of

    return load_signer(key or key_path(log, data_dir or Settings().data_dir), name=origin_of(log.log_id))


def verifiers_of(log: EventLog, public_key: str | None, data_dir: Path | None) -> list[Verifier]:
    """The log's public key, if there is one.

    Raises:
        ReadModelError: what was given is not one.
    """
    from camunda_workers.events.chain.notary import PUBLIC_SUFFIX, key_path
    from camunda_workers.events.chain.note import Verifier

    if public_key is not None:
        return [Verifier.parse(read_text(Path(public_key)) if "+" not in public_key or Path(public_key).is_file() else public_key)]
    path = key_path(log, data_dir or Settings().data_dir).with_suffix(PUBLIC_SUFFIX)
    return [Verifier.parse(read_text(path))] if path.is_file() else []


def checkpoint_in(path: Path, verifiers: list[Verifier]) -> Checkpoint:
    """A checkpoint that was kept in a file."""
    from camunda_workers.events.chain.checkpoint import open_checkpoint

    return open_checkpoint(read_text(path), verifiers)


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        ReadModelError: it cannot be read.
    """
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ReadModelError(f"{path} cannot be read: {error}") from error


def print_json(value: Any) -> None:
    """Print it, as people and programs can read it."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def say(text: str) -> None:
    """Print a line; a terminal that cannot show a letter still shows the rest."""
    reconfigure: Callable[..., None] | None = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    print(text)


def progress(title: str) -> AbstractContextManager[Callable[[int, int], None]]:
    """A bar on stderr, where that is a terminal; to be told how much of how much is done."""
    return _progress(title)


@contextmanager
def _progress(title: str) -> Generator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
