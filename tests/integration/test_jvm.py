"""The Java virtual machine in the process: it starts with a broken archive, leaves signals to Python, and lets the process end."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from camunda_workers.engine.embedded.jars import engine_folder, ensure_engine_jars
from camunda_workers.engine.embedded.jvm import archive_path, build_class_data_archive
from camunda_workers.errors import SetupError
from camunda_workers.settings import Settings

pytestmark = pytest.mark.engine

START = """
import sys
from camunda_workers.settings import Settings
from camunda_workers.engine.embedded.jvm import import_jpype, start_jvm
start_jvm(Settings())
start_jvm(Settings())
jpype = import_jpype()
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of its own with the engine's jars: archives in it may be broken."""
    settings = Settings()
    cache = tmp_path_factory.mktemp("cache")
    folder = engine_folder(settings.engine_version, cache) / "jars"
    folder.mkdir(parents=True)
    for jar in ensure_engine_jars(settings.engine_version, settings.cache_dir):
        shutil.copy2(jar, folder / jar.name)
    return cache


def python(code: str, cache: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    version = Settings().engine_version
    variables = {"CAMUNDA_WORKERS_CACHE_DIR": str(cache), "CAMUNDA_WORKERS_ENGINE_VERSION": version, "PATH": "", **environment}
    return subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False, timeout=120)


def archive_of(cache: Path) -> Path:
    version = Settings().engine_version
    return archive_path(version, cache, ensure_engine_jars(version, cache))


@pytest.mark.parametrize("content", [None, b"", b"not an archive" * 1000], ids=["none", "empty", "garbage"])
def test_a_start_needs_no_good_archive_and_prints_nothing(cache: Path, content: bytes | None) -> None:
    archive = archive_of(cache)
    if content is not None:
        archive.write_bytes(content)
    try:
        done = python(START + "print(jpype.JClass('java.lang.System').getProperty('camunda.workers.engine'))", cache)
    finally:
        archive.unlink(missing_ok=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{Settings().engine_version}\n", "")


def test_an_archive_is_made_once_used_and_made_anew_when_the_jars_change(cache: Path) -> None:
    settings = Settings(cache_dir=cache)
    archive = build_class_data_archive(settings)
    made = archive.stat().st_mtime_ns
    assert build_class_data_archive(settings) == archive
    assert archive.stat().st_mtime_ns == made
    shared = python(
        START
        + "bean = jpype.JClass('java.lang.management.ManagementFactory').getRuntimeMXBean()\n"
        + "print([str(a) for a in bean.getInputArguments() if 'Shared' in str(a)])",
        cache,
    )
    assert str(archive) in shared.stdout, shared.stderr
    assert not list(archive.parent.glob(".archive-*")), "nothing is left behind"
    jar = next((archive.parent / "jars").glob("agrona-*.jar"))
    jar.touch()
    assert archive_of(cache) != archive


def test_a_warm_up_that_fails_is_one_line_and_leaves_nothing_behind(cache: Path) -> None:
    with pytest.raises(SetupError, match=r"first run failed .*no_such_module.*; engines start without the archive") as raised:
        build_class_data_archive(Settings(cache_dir=cache), warm_up="no_such_module")
    assert "\n" not in str(raised.value)
    assert not list(cache.rglob(".archive-*"))


def test_signals_stay_pythons(cache: Path) -> None:
    code = START + (
        "import os, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored from birth where a shell started us in the background
        "signal.signal(signal.SIGTERM, lambda *_: print('terminated'))\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n    import time; time.sleep(10)\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    assert python(code, cache).stdout.split() == ["terminated", "interrupted"]


def test_a_process_ends_although_java_threads_run(cache: Path) -> None:
    thread = "jpype.JClass('java.util.concurrent.Executors').newFixedThreadPool(2).prestartAllCoreThreads()\nprint('done')"
    done = python(START + thread, cache)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_another_version_in_the_same_process_is_refused(cache: Path) -> None:
    code = START + "start_jvm(Settings(engine_version='8.7.0'))"
    done = python(code, cache)
    assert (
        f"ConfigurationError: this process runs engine {Settings().engine_version}, not 8.7.0: one process can hold one version only"
        in done.stderr
    )


def test_numpy_is_not_imported_by_the_way_and_can_be_imported_afterwards(cache: Path) -> None:
    pytest.importorskip("numpy")
    code = START + "print('numpy' in sys.modules)\nimport numpy\nprint(numpy.array([1, 2]).sum())"
    assert python(code, cache).stdout.split() == ["False", "3"]


def test_rocksdb_finds_its_library_unpacked(cache: Path) -> None:
    code = START + "jpype.JClass('java.lang.System').loadLibrary('rocksdbjni')\nprint('loaded')"
    done = python(code, cache, TMPDIR=str(cache))
    assert done.stdout == "loaded\n", done.stderr
    assert not list(cache.glob("librocksdbjni*")), "nothing is unpacked into the temporary folder"


def test_a_collection_of_one_heap_starts_none_of_the_other(cache: Path) -> None:
    """JPype's own would; it tells of it by gc's callbacks, and of Java's by the collector's count."""
    code = START + (
        "import gc, time\n"
        "beans = jpype.JClass('java.lang.management.ManagementFactory').getGarbageCollectorMXBeans()\n"
        "javas = lambda: sum(int(bean.getCollectionCount()) for bean in beans)\n"
        "pythons = []\n"
        "gc.disable()\n"
        "gc.callbacks.append(lambda phase, _: pythons.append(phase))\n"
        "jpype.JClass('java.lang.System').gc()\n"
        "until = time.monotonic() + 1\n"
        "while time.monotonic() < until and not pythons: time.sleep(0.01)\n"
        "print(len(pythons))\n"
        "before, kept = javas(), []\n"
        "for _ in range(10):\n    kept.append(bytes(range(256)) * 400_000)\n    gc.collect()\n"
        "print(javas() - before)\n"
    )
    assert python(code, cache).stdout.split() == ["0", "0"]


@pytest.mark.parametrize("lasting", [True, False])
def test_only_an_engine_that_lasts_is_optimised(cache: Path, lasting: bool) -> None:
    code = START.replace("start_jvm(Settings())", f"start_jvm(Settings(), lasting={lasting})") + (
        "bean = jpype.JClass('java.lang.management.ManagementFactory').getRuntimeMXBean()\n"
        "print('-XX:TieredStopAtLevel=1' in [str(a) for a in bean.getInputArguments()])"
    )
    assert python(code, cache).stdout == f"{not lasting}\n"
