"""The engine's jars: the lock, and a fetch that survives a bad network."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from camunda_workers.engine.embedded import jars as engine_jars
from camunda_workers.engine.embedded.fetch import fetch_all
from camunda_workers.engine.embedded.jars import (
    DEFAULT_ENGINE_VERSION,
    Jar,
    Lines,
    ensure_engine_jars,
    locked_jars,
    missing_jars,
    parse_lock,
)
from camunda_workers.errors import ConfigurationError, SetupError
from camunda_workers.settings import Settings

CONTENT = {f"part-{number}": bytes([number]) * (300_000 + number) for number in range(6)}
JARS = [Jar(f"org.example:{name}:1.0", hashlib.sha256(content).hexdigest(), len(content)) for name, content in CONTENT.items()]


@dataclass
class Repository:
    """A Maven repository on loopback that can be told to misbehave."""

    address: str = ""
    break_off_after: dict[str, int] = field(default_factory=dict[str, int])
    """Path ending -> bytes after which the connection is cut; once each."""
    answers: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """Path ending -> statuses to answer with first."""
    alter: set[str] = field(default_factory=set[str])
    resumable: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


@pytest.fixture
def repository() -> Iterator[Repository]:
    state = Repository()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[-1]
            asked = self.headers.get("Range", "")
            state.requests.append((name, asked))
            if state.answers.get(name):
                self.send_error(state.answers[name].pop(0))
                return
            content = CONTENT[name.removesuffix("-1.0.jar")]
            content = content[::-1][:-1] + b"!" if name in state.alter else content
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and state.resumable else 0
            body = content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut = state.break_off_after.pop(name, None)
            self.wfile.write(body if cut is None else body[:cut])
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


class Recorder(Lines):
    """A progress that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.total = 0
        self.done = 0
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        self.said.append(text)

    def begin(self, title: str, total: int) -> None:
        self.total += total

    def advance(self, amount: int) -> None:
        with self._lock:
            self.done += amount


def fetch(folder: Path, repository: Repository, progress: Recorder | None = None) -> None:
    fetch_all(JARS, folder, repository.address, progress or Recorder(), notice="the licence", back_off=0.01)


def assert_whole(folder: Path) -> None:
    assert {path.name: path.read_bytes() for path in folder.glob("*.jar")} == {
        f"{name}-1.0.jar": content for name, content in CONTENT.items()
    }
    assert not list(folder.glob("*.part"))


def test_a_first_fetch_names_the_licence_once_and_counts_every_byte_once(tmp_path: Path, repository: Repository) -> None:
    progress = Recorder()
    fetch(tmp_path / "jars", repository, progress)
    assert_whole(tmp_path / "jars")
    assert progress.said == ["the licence"]
    assert progress.done == progress.total == sum(len(content) for content in CONTENT.values())
    asked = len(repository.requests)
    fetch(tmp_path / "jars", repository, progress)
    assert len(repository.requests) == asked, "nothing is asked for when all is there"
    assert progress.said == ["the licence"]


def test_a_connection_that_breaks_off_is_resumed_where_it_broke(tmp_path: Path, repository: Repository) -> None:
    repository.break_off_after = {"part-3-1.0.jar": 120_000, "part-4-1.0.jar": 0}
    progress = Recorder()
    fetch(tmp_path, repository, progress)
    assert_whole(tmp_path)
    ranges = [asked for name, asked in repository.requests if name == "part-3-1.0.jar"]
    assert ranges[0] == ""
    assert ranges[1].startswith("bytes=")
    assert progress.done == progress.total


def test_the_next_run_resumes_a_half_download(tmp_path: Path, repository: Repository) -> None:
    (tmp_path / "part-2-1.0.jar.part").write_bytes(CONTENT["part-2"][:100_000])
    fetch(tmp_path, repository)
    assert_whole(tmp_path)
    assert ("part-2-1.0.jar", "bytes=100000-") in repository.requests


@pytest.mark.parametrize("part", [b"x" * 100_000, b"x" * len(CONTENT["part-2"]), b"x" * 1_000_000], ids=["short", "full size", "too long"])
def test_a_damaged_part_is_thrown_away(tmp_path: Path, repository: Repository, part: bytes) -> None:
    (tmp_path / "part-2-1.0.jar.part").write_bytes(part)
    fetch(tmp_path, repository)
    assert_whole(tmp_path)


def test_a_truncated_jar_is_fetched_again(tmp_path: Path, repository: Repository) -> None:
    fetch(tmp_path, repository)
    jar = tmp_path / "part-1-1.0.jar"
    jar.write_bytes(jar.read_bytes()[:-1])
    fetch(tmp_path, repository)
    assert_whole(tmp_path)


def test_a_server_that_cannot_resume_sends_the_whole_again(tmp_path: Path, repository: Repository) -> None:
    repository.resumable = False
    (tmp_path / "part-0-1.0.jar.part").write_bytes(CONTENT["part-0"][:1000])
    fetch(tmp_path, repository)
    assert_whole(tmp_path)


@pytest.mark.parametrize("status", [416, 429, 500, 503])
def test_a_busy_or_confused_server_is_asked_again(tmp_path: Path, repository: Repository, status: int) -> None:
    repository.answers = {"part-5-1.0.jar": [status, status]}
    fetch(tmp_path, repository)
    assert_whole(tmp_path)


def test_an_altered_file_is_refused_and_not_kept(tmp_path: Path, repository: Repository) -> None:
    repository.alter = {"part-1-1.0.jar"}
    with pytest.raises(SetupError, match=r"org\.example:part-1:1\.0 is not the pinned file"):
        fetch(tmp_path, repository)
    assert not (tmp_path / "part-1-1.0.jar").exists()
    assert not (tmp_path / "part-1-1.0.jar.part").exists()


def test_a_missing_file_is_a_line_that_says_what_to_do(tmp_path: Path, repository: Repository) -> None:
    repository.answers = {"part-1-1.0.jar": [404]}
    with pytest.raises(SetupError, match=r"answered 404 .* check the mirror .* run `camunda-workers setup` again") as raised:
        fetch(tmp_path, repository)
    assert "\n" not in str(raised.value)


def test_without_a_network_one_line_says_so_and_what_was_fetched_is_kept(tmp_path: Path, repository: Repository) -> None:
    fetch(tmp_path, repository)
    (tmp_path / "part-0-1.0.jar").unlink()
    repository.address = "http://127.0.0.1:9"  # the discard port: nobody listens
    with pytest.raises(SetupError, match=r"no network.*part-0.*connection or proxy") as raised:
        fetch(tmp_path, repository)
    assert "\n" not in str(raised.value)
    assert len(list(tmp_path.glob("*.jar"))) == len(JARS) - 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, repository: Repository) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"cannot write to .*CAMUNDA_WORKERS_CACHE_DIR"):
        fetch(tmp_path / "file" / "jars", repository)


def test_two_at_once_fetch_each_file_once(tmp_path: Path, repository: Repository) -> None:
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(fetch, tmp_path, repository) for _ in range(2)]:
            future.result()
    assert_whole(tmp_path)
    assert len(repository.requests) == len(JARS)


def test_the_shipped_lock_is_for_the_default_version_and_every_platform() -> None:
    assert Settings.model_fields["engine_version"].default == DEFAULT_ENGINE_VERSION
    for platform in ("linux", "macos", "windows"):
        jars = locked_jars(platform=platform)
        names = [jar.file_name for jar in jars]
        assert len(set(names)) == len(names)
        assert names == sorted(names), "the class path's order is part of the class-data archive"
        assert sum("rocksdbjni" in name for name in names) == 1, platform
        assert f"zeebe-workflow-engine-{DEFAULT_ENGINE_VERSION}.jar" in names
        assert sum(jar.size for jar in jars) < 90_000_000


def test_coordinates_become_paths() -> None:
    assert Jar("org.rocksdb:rocksdbjni:10.2.1:osx", "", 0).repository_path == "org/rocksdb/rocksdbjni/10.2.1/rocksdbjni-10.2.1-osx.jar"
    assert Jar("io.camunda:zeebe-db:8.8.21", "", 0).repository_path == "io/camunda/zeebe-db/8.8.21/zeebe-db-8.8.21.jar"


@pytest.mark.parametrize("line", ["a:b:1 abc 5", f"a:b {'0' * 64} 5", f"a:b:1 {'0' * 64} many", f"a:b:1 {'0' * 64}"])
def test_a_wrong_line_in_a_lock_is_named(line: str) -> None:
    with pytest.raises(ConfigurationError, match="line 2"):
        parse_lock(f"# engine 1\n{line}\n")


def test_an_empty_lock_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="install camunda-workers again"):
        parse_lock("# engine 1\n")


def test_a_full_cache_needs_neither_network_nor_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / f"engine-{DEFAULT_ENGINE_VERSION}" / "jars"
    folder.mkdir(parents=True)
    for jar in JARS:
        (folder / jar.file_name).write_bytes(CONTENT[jar.coordinate.split(":")[1]])

    def locked(version: str) -> list[Jar]:
        return JARS

    monkeypatch.setattr(engine_jars, "locked_jars", locked)
    monkeypatch.setattr(engine_jars, "maven_repository", lambda: pytest.fail("the repository was asked for"))
    assert ensure_engine_jars(DEFAULT_ENGINE_VERSION, tmp_path) == [folder / jar.file_name for jar in JARS]
    assert missing_jars(JARS, folder) == []
