"""Set this folder up: any Python >= 3.11 in, a working ``.venv`` out. Run by ``make setup``; on Windows: ``python scripts/bootstrap.py``.

Needs nothing but Python. Does only what is missing, resumes what was broken off, keeps what it fetched, and touches no network when everything is
there. What the tools said is in ``.venv/setup.log``; a failure is one line that says what to do.
"""

import hashlib
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Dict, List, NoReturn, Tuple

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "setup.stamp"
UNFINISHED = VENV / "setup.unfinished"
LOG = VENV / "setup.log"
MINIMUM = (3, 11)
INPUTS = ("requirements.lock", "pyproject.toml", "scripts/bootstrap.py")
AGAIN = "what was fetched is kept, run it again"

SYMPTOMS = (
    (("no space left", "disk full", "os error 28", "errno 28"), "the disk is full: free some space"),
    (
        (
            "dns error",
            "name resolution",
            "name or service not known",
            "nodename nor servname",
            "getaddrinfo failed",
            "failed to connect",
            "connection refused",
            "connection reset",
            "network is unreachable",
            "newconnectionerror",
            "timed out",
            "tcp connect error",
            "error sending request",
            "request failed after",
            "failed to fetch",
        ),
        "no network, or it broke off: check the connection or proxy",
    ),
    (
        ("certificate", "unknownissuer"),
        "the package index's certificate is not trusted: add your company's certificate to the system's store",
    ),
    (("hash mismatch", "do not match the hashes"), "a package is not the pinned one: check the proxy or mirror in use"),
)
"""What the log says (lower case), and what to tell the user about it."""


def main() -> None:
    if sys.version_info < MINIMUM:
        fail(
            f"Python 3.11 or newer is needed and this is {sys.version_info[0]}.{sys.version_info[1]}: "
            "run 'make PYTHON=python3.12' with one that is"
        )
    fresh = not is_current()
    if fresh:
        make_venv()
        install_uv()
        install_packages()
        STAMP.write_text(fingerprint(), encoding="utf-8")
    prepare_engine(quiet=not fresh)


def fingerprint() -> str:
    """What the virtual environment was made from; another one means that it has to be made again."""
    digest = hashlib.sha256()
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return f"{ROOT}\n{digest.hexdigest()}"


def is_current() -> bool:
    try:
        return STAMP.read_text(encoding="utf-8") == fingerprint() and PYTHON.exists()
    except OSError:
        return False


def make_venv() -> None:
    if PYTHON.exists() and works(f"import sys, pip; sys.exit(sys.version_info < {MINIMUM!r})"):
        return
    say(f"Making .venv with Python {platform.python_version()}")
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False)
    if done.returncode:
        if "ensurepip" in done.stdout + done.stderr:
            fail("this Python cannot make virtual environments: install its venv package (Debian, Ubuntu: apt install python3-venv)")
        fail(f"the virtual environment could not be made ({last_line(done.stdout + done.stderr)})")


def install_uv() -> None:
    """Get the pinned uv, by its hashes, through pip."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("uv=="))
    block = [lines[start]]
    for line in lines[start + 1 :]:
        if not line.startswith(" "):
            break
        block.append(line)
    version = block[0].split("==")[1].split()[0]
    if works(f"import importlib.metadata as m, sys; sys.exit(m.version('uv') != {version!r})"):
        return
    only_uv = VENV / "uv.lock"
    only_uv.write_text("\n".join(block) + "\n", encoding="utf-8")
    command = ["-m", "pip", "install", "--disable-pip-version-check", "--retries", "2", "--require-hashes", "--no-deps", "-r", str(only_uv)]
    run("Fetching uv " + version, [str(PYTHON), *command])


def install_packages() -> None:
    install = [str(PYTHON), "-m", "uv", "pip", "install", "--python", str(PYTHON)]
    # An install that was killed may have left a package that looks whole and is not; in a folder that was moved the scripts point to the old
    # place. Then all are laid out again, from the cache.
    moved = STAMP.exists() and STAMP.read_text(encoding="utf-8").splitlines()[:1] != [str(ROOT)]
    again = ["--reinstall"] if moved or UNFINISHED.exists() else []
    UNFINISHED.touch()
    count = sum(1 for line in LOCK.read_text(encoding="utf-8").splitlines() if "==" in line and line[0] not in " #")
    run(f"Installing the {count} locked packages", [*install, *again, "--require-hashes", "-r", str(LOCK)])
    # The project itself is no download; its build back end came with the lock.
    own = ["--offline", "--no-deps", "--no-build-isolation", "--reinstall-package", "camunda-workers", "-e", str(ROOT)]
    run("Installing camunda-workers", [*install, *own])
    UNFINISHED.unlink()


def prepare_engine(quiet: bool) -> None:
    """The command itself shows progress and says what went wrong; when all was there already its closing words would only be noise."""
    done = subprocess.run([str(PYTHON), "-m", "camunda_workers", "setup"], stdout=subprocess.DEVNULL if quiet else None, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def run(title: str, command: List[str]) -> None:
    began = time.monotonic()
    finished = threading.Event()
    ticker = threading.Thread(target=tick, args=(title, began, finished), daemon=True)
    environment: Dict[str, str] = {**os.environ, "UV_SYSTEM_CERTS": "1", "UV_NO_PROGRESS": "1", "PYTHONUTF8": "1"}
    ticker.start()
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"\n$ {' '.join(command)}\n")
        log.flush()
        start = log.tell()
        try:
            code = subprocess.run(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment, check=False
            ).returncode
        except KeyboardInterrupt:
            fail(f"interrupted: {AGAIN}")
        finally:
            finished.set()
            ticker.join()
    if code:
        with LOG.open(encoding="utf-8", errors="replace") as log:
            log.seek(start)
            explain(title, log.read())


def tick(title: str, began: float, finished: threading.Event) -> None:
    terminal = sys.stderr.isatty()
    if not terminal:
        say(title + " ...")
    while not finished.wait(0.5 if terminal else 30.0):
        if terminal:
            sys.stderr.write(f"\r{title} ... {time.monotonic() - began:.0f} s ")
            sys.stderr.flush()
    if terminal:
        sys.stderr.write(f"\r{title}: {time.monotonic() - began:.1f} s        \n")


def explain(title: str, log: str) -> NoReturn:
    words = log.lower()
    for signs, advice in SYMPTOMS:
        if any(sign in words for sign in signs):
            fail(f"{title} failed: {advice}; {AGAIN} (details: .venv/setup.log)")
    fail(f"{title} failed: {last_line(log)} (details: .venv/setup.log)")


def works(code: str) -> bool:
    return subprocess.run([str(PYTHON), "-c", code], capture_output=True, check=False).returncode == 0


def last_line(text: str) -> str:
    lines: Tuple[str, ...] = tuple(line.strip() for line in text.splitlines() if line.strip())
    return lines[-1] if lines else "it said nothing"


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def fail(text: str) -> NoReturn:
    sys.exit("error: " + text)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        fail(f"{error}: free some space, or check who owns this folder")
    except KeyboardInterrupt:
        fail(f"interrupted: {AGAIN}")
