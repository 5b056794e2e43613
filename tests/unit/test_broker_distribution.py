"""The broker's distribution: fetched whole or not at all, and unpacked nowhere but in its folder."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from camunda_workers.engine.broker import distribution
from camunda_workers.engine.broker.distribution import Distribution, distribution_folder, ensure_distribution, path_of
from camunda_workers.engine.broker.unpack import unpack
from camunda_workers.engine.embedded.jars import Lines
from camunda_workers.errors import ConfigurationError, SetupError

TOP = "camunda-zeebe-8.5.1/"
PLAIN = {f"{TOP}NOTICE.txt": b"notice", f"{TOP}bin/broker": b"#!/bin/sh", f"{TOP}lib/broker.jar": bytes(range(256)) * 2_000}


class Recorder(Lines):
    """A progress that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.steps: list[tuple[str, int]] = []
        self.done = 0

    def say(self, text: str) -> None:
        self.said.append(text)

    def begin(self, title: str, total: int) -> None:
        self.steps.append((title, total))

    def advance(self, amount: int) -> None:
        self.done += amount


def archive(files: dict[str, bytes], *special: tarfile.TarInfo) -> bytes:
    written = io.BytesIO()
    # Stored, not packed: so that a part of it is as good a test of resuming as a part of the real one.
    with tarfile.open(fileobj=written, mode="w:gz", compresslevel=0) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755 if "/bin/" in name else 0o644
            tar.addfile(member, io.BytesIO(content))
        for member in special:
            tar.addfile(member)
    return written.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@dataclass
class Repository:
    """A Maven repository on loopback that holds one distribution."""

    content: bytes
    checksums: dict[str, str]
    address: str = ""
    cuts: list[int] = field(default_factory=list[int])
    """Bytes after which an answer breaks off, one per request."""
    asked: list[str] = field(default_factory=list[str])


@pytest.fixture
def repository() -> Iterator[Repository]:
    content = archive(PLAIN)
    state = Repository(content, {"sha1": hashlib.sha1(content).hexdigest()})

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(head=True)

        def do_GET(self) -> None:
            self._answer(head=False)

        def _answer(self, *, head: bool) -> None:
            state.asked.append(f"{self.command} {self.path.rsplit('/', 1)[-1]} {self.headers.get('Range', '')}".strip())
            _, _, ending = self.path.rpartition(".tar.gz")
            if "/8.5.1/" not in self.path or (ending and ending[1:] not in state.checksums):
                self.send_error(404)
                return
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
            body = state.checksums[ending[1:]].encode() if ending else state.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if not head:
                self.wfile.write(body[: state.cuts.pop(0)] if state.cuts and not ending else body)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def ensure(repository: Repository, cache: Path, progress: Recorder | None = None) -> Path:
    return ensure_distribution("8.5.1", cache, progress or Recorder(), repository=repository.address)


def test_the_first_fetch_names_the_licence_and_the_second_asks_nobody(repository: Repository, tmp_path: Path) -> None:
    progress = Recorder()
    folder = ensure(repository, tmp_path, progress)
    assert folder == distribution_folder("8.5.1", tmp_path)
    assert {str(path.relative_to(folder.parent)): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == PLAIN
    assert (folder / "bin/broker").stat().st_mode & 0o100
    assert not (folder / "NOTICE.txt").stat().st_mode & 0o111
    (said,) = progress.said
    assert "Camunda License 1.0" in said
    assert "8.5.1" in said
    assert progress.steps == [("Fetching the broker 8.5.1", len(repository.content)), ("Unpacking the broker", 0)]
    asked = len(repository.asked)
    assert ensure(repository, tmp_path) == folder
    assert len(repository.asked) == asked
    assert [path for path in folder.parent.iterdir() if path.is_file() and not path.name.startswith(".")] == []


def test_the_strongest_published_checksum_is_used(repository: Repository, tmp_path: Path) -> None:
    repository.checksums["sha256"] = hashlib.sha256(repository.content).hexdigest() + "  camunda-zeebe-8.5.1.tar.gz\n"
    found = distribution.ask_repository("8.5.1", repository.address)
    assert (found.algorithm, found.size) == ("sha256", len(repository.content))
    assert found.coordinate == "io.camunda:camunda-zeebe:8.5.1:tar.gz"
    ensure(repository, tmp_path)


def test_a_fetch_that_broke_off_goes_on_where_it_was(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camunda_workers.engine.embedded.fetch.ATTEMPTS", 1)
    repository.cuts = [200_000]
    with pytest.raises(SetupError, match=r"broke off .* what was fetched is kept: start the broker again"):
        ensure(repository, tmp_path)
    progress = Recorder()
    ensure(repository, tmp_path, progress)
    assert repository.asked[-1] == "GET camunda-zeebe-8.5.1.tar.gz bytes=200000-"
    assert progress.said == []  # the licence was named when the fetch began


def test_an_altered_file_is_not_unpacked(repository: Repository, tmp_path: Path) -> None:
    repository.checksums["sha1"] = "0" * 40
    with pytest.raises(SetupError, match=r"io.camunda:camunda-zeebe:8.5.1:tar.gz is not the"):
        ensure(repository, tmp_path)
    assert not distribution_folder("8.5.1", tmp_path).exists()


def test_without_a_checksum_nothing_is_fetched(repository: Repository, tmp_path: Path) -> None:
    repository.checksums.clear()
    with pytest.raises(SetupError, match=r"keeps no checksum of Zeebe 8.5.1"):
        ensure(repository, tmp_path)


def test_a_version_that_is_not_there(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"no distribution of Zeebe 8\.9\.1 .* container images only"):
        ensure_distribution("8.9.1", tmp_path, Recorder(), repository=repository.address)


@pytest.mark.parametrize("version", ["latest", "../8.6.0", "8.6", "8.6.0/../../x", "", "8.6.0-../x"])
def test_a_version_is_a_version(version: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a version of Zeebe"):
        ensure_distribution(version, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="check the network or proxy"):
        ensure_distribution("8.5.1", tmp_path, Recorder(), repository="http://127.0.0.1:9")


def test_a_cache_that_cannot_be_written(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="CAMUNDA_WORKERS_CACHE_DIR"):
        ensure(repository, tmp_path / "file")


def test_the_pinned_version_is_not_asked_for() -> None:
    algorithm, checksum, size = distribution.PINNED["8.6.0"]
    pinned = Distribution("8.6.0", algorithm, checksum, size)
    assert len(checksum) == 2 * hashlib.new(algorithm).digest_size
    assert pinned.repository_path == path_of("8.6.0") == "io/camunda/camunda-zeebe/8.6.0/camunda-zeebe-8.6.0.tar.gz"


@pytest.mark.parametrize(
    "bad",
    [
        special("../outside", tarfile.REGTYPE),
        special(f"{TOP}../../outside", tarfile.REGTYPE),
        special("/etc/outside", tarfile.REGTYPE),
        special(f"{TOP}..\\outside", tarfile.REGTYPE),
        special(f"{TOP}c:outside", tarfile.REGTYPE),
        special(f"{TOP}link", tarfile.SYMTYPE, "/etc/passwd"),
        special(f"{TOP}hard", tarfile.LNKTYPE, f"{TOP}NOTICE.txt"),
        special(f"{TOP}device", tarfile.CHRTYPE),
        special(f"{TOP}pipe", tarfile.FIFOTYPE),
        special("elsewhere/file", tarfile.REGTYPE),
    ],
    ids=lambda member: member.name,
)
def test_nothing_is_unpacked_outside_the_folder(bad: tarfile.TarInfo, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "it.tar.gz").write_bytes(archive(PLAIN, bad))
    with pytest.raises(SetupError, match=r"refused to unpack|lies outside its folder"):
        unpack(home / "it.tar.gz", home / "it", Recorder())
    assert [path.name for path in tmp_path.rglob("*")] == ["home", "it.tar.gz"]


@pytest.mark.parametrize("content", [archive(PLAIN)[:100_000], b"no archive at all", archive({})], ids=["cut", "other", "empty"])
def test_a_damaged_archive(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "it.tar.gz").write_bytes(content)
    with pytest.raises(SetupError, match=r"damaged|empty"):
        unpack(tmp_path / "it.tar.gz", tmp_path / "it", Recorder())
    assert [path.name for path in tmp_path.iterdir()] == ["it.tar.gz"]


def test_the_second_to_unpack_finds_what_the_first_made(tmp_path: Path) -> None:
    (tmp_path / "it.tar.gz").write_bytes(archive(PLAIN))
    (tmp_path / "it").mkdir()
    (tmp_path / "it" / "first").write_text("")
    unpack(tmp_path / "it.tar.gz", tmp_path / "it", Recorder())
    assert [path.name for path in (tmp_path / "it").iterdir()] == ["first"]
