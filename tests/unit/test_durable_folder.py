"""The durable engine's folder: its lock, its manifest, its snapshots."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from camunda_workers.engine.embedded.durable.files import sealed, size_of, unsealed
from camunda_workers.engine.embedded.durable.folder import MANIFEST, DataFolder, in_use, read_manifest
from camunda_workers.engine.embedded.durable.snapshots import Snapshot, Snapshots
from camunda_workers.errors import ConfigurationError

VERSION = "8.8.21"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    DataFolder(made, VERSION).close()
    return made


def manifest(folder: Path, **changes: object) -> None:
    (folder / MANIFEST).write_text(sealed(read_manifest(folder) | changes))


class TestFolder:
    def test_a_new_one_says_what_wrote_it(self, folder: Path) -> None:
        found = read_manifest(folder)
        assert (found["format"], found["engine"]) == (1, VERSION)

    def test_facts_are_kept(self, folder: Path) -> None:
        opened = DataFolder(folder, VERSION)
        assert opened.recall("clock_offset") is None
        opened.remember(clock_offset=5)
        opened.remember(clock_offset=7)
        opened.close()
        again = DataFolder(folder, VERSION)
        assert again.recall("clock_offset") == 7
        again.close()

    def test_one_at_a_time(self, folder: Path) -> None:
        first = DataFolder(folder, VERSION)
        assert in_use(folder)
        with pytest.raises(ConfigurationError, match="data is in use by another engine: stop that one, or choose another folder"):
            DataFolder(folder, VERSION)
        first.close()
        assert not in_use(folder)
        DataFolder(folder, VERSION).close()

    def test_one_process_at_a_time_and_a_killed_one_leaves_no_lock(self, folder: Path) -> None:
        script = (
            "import sys, pathlib; from camunda_workers.engine.embedded.durable.folder import DataFolder; "
            f"kept = DataFolder(pathlib.Path(sys.argv[1]), '{VERSION}'); print('there', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen([sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"there\n"
            with pytest.raises(ConfigurationError, match="is in use by another engine"):
                DataFolder(folder, VERSION)
            other.kill()
        DataFolder(folder, VERSION).close()

    def test_a_refused_folder_is_not_kept_locked(self, folder: Path) -> None:
        manifest(folder, format=2)
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=r"has format 2, this version reads 1: use the version of camunda-workers"):
                DataFolder(folder, VERSION)

    def test_a_folder_of_something_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "holiday.jpg").touch()
        with pytest.raises(ConfigurationError, match=r"is not an engine's folder \(it holds holiday.jpg\): choose an empty one"):
            DataFolder(tmp_path, VERSION)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["holiday.jpg", "lock"]

    def test_a_file_in_its_place_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "data").touch()
        with pytest.raises(ConfigurationError, match="cannot be used as the engine's folder"):
            DataFolder(tmp_path / "data", VERSION)

    @pytest.mark.parametrize(
        ("written", "running", "why"),
        [
            ("8.8.22", VERSION, "8.8.21 is older and cannot read it; set CAMUNDA_WORKERS_ENGINE_VERSION to 8.8.22 or newer"),
            ("8.9.0", VERSION, "8.8.21 is older"),
            ("8.10.1-alpha2", "8.9.4", "8.9.4 is older"),
            ("8.9.0", "8.9.0-rc2", "8.9.0-rc2 is older"),
            ("8.9.0-rc2", "8.9.0-alpha5", "8.9.0-alpha5 is older"),
            ("8.9.0-alpha10", "8.9.0-alpha9-rc1", "8.9.0-alpha9-rc1 is older"),
            ("8.6.3", VERSION, "too far from it; start it with 8.7 first"),
            ("8.8.21", "9.0.0", "too far from it; start it with 8.9 first"),
        ],
    )
    def test_an_engine_that_does_not_fit_is_refused(self, folder: Path, written: str, running: str, why: str) -> None:
        manifest(folder, engine=written)
        with pytest.raises(ConfigurationError, match=f"was written by engine {written}: engine .*{why}"):
            DataFolder(folder, running)
        assert read_manifest(folder)["engine"] == written

    @pytest.mark.parametrize("running", ["8.8.22", "8.9.0-alpha1", "8.9.3"])
    def test_the_next_engine_takes_over(self, folder: Path, running: str) -> None:
        opened = DataFolder(folder, running)
        assert read_manifest(folder)["engine"] == VERSION, "not before it can read what is there"
        opened.take_over(running)
        opened.close()
        assert read_manifest(folder)["engine"] == running

    @pytest.mark.parametrize(
        ("written", "running"), [("8.9.0-alpha5-rc1", "8.9.0-alpha5"), ("8.9.0-alpha5", "8.9.0-rc1"), ("8.9.0-rc2", "8.9.0")]
    )
    def test_what_came_before_a_release_is_older(self, folder: Path, written: str, running: str) -> None:
        manifest(folder, engine=written)
        DataFolder(folder, running).close()

    def test_a_pre_release_takes_over_with_a_warning(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        for running, warned in (("8.8.22", False), ("8.9.0-rc2", True), ("8.9.0-rc2", False)):
            caplog.clear()
            opened = DataFolder(folder, running)
            opened.take_over(running)
            opened.close()
            assert ("there is no way back" in caplog.text) is warned, running

    @pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"format": 1}', '{"format": 1, "engine": "8.8.21", "checksum": 1}'])
    def test_a_damaged_manifest_is_refused(self, folder: Path, damage: str) -> None:
        (folder / MANIFEST).write_text(damage)
        with pytest.raises(ConfigurationError, match=r"engine\.json cannot be read .*: restore the folder from a backup"):
            DataFolder(folder, VERSION)

    def test_a_changed_number_in_the_manifest_is_noticed(self, folder: Path) -> None:
        manifest(folder, clock_offset=1000)
        (folder / MANIFEST).write_text((folder / MANIFEST).read_text().replace("1000", "9000"))
        with pytest.raises(ConfigurationError, match="its checksum does not fit"):
            read_manifest(folder)

    def test_facts_survive_their_seal(self) -> None:
        facts = {"text": "Zürich ✓", "number": 2**60, "nested": {"b": [1, None], "a": 0.1}}
        assert unsealed(sealed(facts)) == facts


class TestSnapshots:
    @pytest.fixture
    def snapshots(self, tmp_path: Path) -> Snapshots:
        return Snapshots(tmp_path / "snapshots")

    @staticmethod
    def take(snapshots: Snapshots, position: int, content: bytes = b"state") -> Snapshot:
        state = snapshots.begin()
        (state / "inner").mkdir(parents=True)
        (state / "000001.sst").write_bytes(content * 1000)
        (state / "inner" / "CURRENT").write_bytes(b"manifest")
        return snapshots.keep(position, "2026-01-01T00:00:00+00:00", {"horizon": position})

    def test_the_newest_counts(self, snapshots: Snapshots) -> None:
        assert snapshots.usable() == (None, [])
        for position in (5, 70, 600):
            self.take(snapshots, position)
        found, wrong = snapshots.usable()
        assert found is not None
        assert (found.position, found.facts(), wrong) == (600, {"horizon": 600}, [])
        assert sorted(found.checksums) == ["facts.json", "state/000001.sst", "state/inner/CURRENT"]

    def test_one_that_was_not_finished_does_not_count(self, snapshots: Snapshots) -> None:
        self.take(snapshots, 5)
        (snapshots.begin()).mkdir()
        found, wrong = snapshots.usable()
        assert found is not None
        assert (found.position, wrong) == (5, [])

    @pytest.mark.parametrize("name", ["state/000001.sst", "state/inner/CURRENT", "facts.json", "snapshot.json"])
    def test_a_changed_bit_is_named_and_the_one_before_is_taken(self, snapshots: Snapshots, name: str) -> None:
        self.take(snapshots, 5)
        newest = self.take(snapshots, 70).path / name
        content = bytearray(newest.read_bytes())
        content[len(content) // 2] ^= 4
        newest.write_bytes(content)
        found, wrong = snapshots.usable()
        assert found is not None
        assert found.position == 5
        assert len(wrong) == 1
        assert str(newest) in wrong[0]

    @pytest.mark.parametrize("name", ["state/000001.sst", "facts.json", "snapshot.json"])
    def test_a_missing_file_is_named_too(self, snapshots: Snapshots, name: str) -> None:
        newest = self.take(snapshots, 70).path / name
        newest.unlink()
        found, wrong = snapshots.usable()
        assert found is None
        assert str(newest) in wrong[0]

    def test_the_others_are_forgotten(self, snapshots: Snapshots) -> None:
        taken = [self.take(snapshots, position) for position in (5, 70, 600)]
        snapshots.forget_all_but(taken[1:])
        assert [path.name for path in sorted(snapshots.path.glob("0*"))] == [f"{70:020d}", f"{600:020d}"]

    def test_one_of_the_same_position_is_replaced(self, snapshots: Snapshots) -> None:
        self.take(snapshots, 5, b"old")
        self.take(snapshots, 5, b"new")
        found, _ = snapshots.usable()
        assert found is not None
        assert (found.state / "000001.sst").read_bytes().startswith(b"newnew")


def test_the_working_copy_shares_tables_and_nothing_else(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data", VERSION)
    taken = TestSnapshots.take(folder.snapshots, 5)
    (folder.path / "runtime").mkdir()
    (folder.path / "runtime" / "left-over").touch()
    runtime = folder.fresh_runtime(taken)
    assert sorted(path.relative_to(runtime).as_posix() for path in runtime.rglob("*")) == ["000001.sst", "inner", "inner/CURRENT"]
    (runtime / "inner" / "CURRENT").write_bytes(b"changed")
    (runtime / "000001.sst").unlink()  # as RocksDB does when it has merged it away
    assert taken.damage() is None
    assert list(folder.fresh_runtime(None).parent.glob("runtime/*")) == []
    folder.close()


def test_sizes_count_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(10))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(bytes(5))
    assert (size_of(tmp_path), size_of(tmp_path / "a"), size_of(tmp_path / "none")) == (15, 10, 0)
    assert json.loads(sealed({}))["checksum"] > 0
