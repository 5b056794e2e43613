"""Starts the broker, and ends it when the Python process that wanted it is gone, however that one went. Run as a script, alone.

It stands between the two because neither can do this itself: a killed process cleans nothing up, and a thread-rich one must not run code between
fork and exec. It reads one JSON line on stdin (what to start), then words: ``stop`` (SIGTERM, and SIGKILL after the grace time) or ``kill``; the
end of stdin, or another parent process, means ``stop``. It writes JSON lines on stdout: ``{"pid": ...}``, then ``{"exit": ...}``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


def main() -> None:
    parent = os.getppid()
    line = sys.stdin.readline()
    if not line:
        return  # the parent died before it had said what to start
    order: dict[str, Any] = json.loads(line)
    with open(order["output"], "wb") as output:  # noqa: PTH123 - pathlib would triple this script's start
        broker = subprocess.Popen(
            order["command"],
            cwd=order["folder"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=order["keep"] if os.name == "posix" else (),
            preexec_fn=die_with_parent() if sys.platform == "linux" else None,  # safe: no thread was started yet
        )
    for descriptor in order["keep"]:
        os.close(descriptor)  # the broker holds the lock now, and this script must not outlive it with it
    ending = Ending(broker, float(order["grace"]))
    signal.signal(signal.SIGTERM, ending.on_signal)
    signal.signal(signal.SIGINT, ending.on_signal)
    say({"pid": broker.pid})
    threading.Thread(target=obey, args=(ending,), daemon=True).start()
    threading.Thread(target=watch, args=(ending, parent), daemon=True).start()
    say({"exit": broker.wait()})
    os._exit(0)  # a thread that waits for input would make an ordinary end fail


class Ending:
    """Ends the broker: asked first, forced after the grace time."""

    def __init__(self, broker: subprocess.Popen[bytes], grace: float) -> None:
        self.broker = broker
        self._grace = grace
        self._asked = False

    def stop(self) -> None:
        if not self._asked:
            self._asked = True
            self.broker.terminate()
            timer = threading.Timer(self._grace, self.broker.kill)
            timer.daemon = True
            timer.start()

    def on_signal(self, number: int, frame: object) -> None:
        self.stop()


def obey(ending: Ending) -> None:
    for line in sys.stdin:
        if line.strip() == "kill":
            ending.broker.kill()
        else:
            ending.stop()
    ending.stop()


def watch(ending: Ending, parent: int) -> None:
    # stdin does not end when a fork of the parent has inherited its other side.
    while os.getppid() == parent:
        time.sleep(1)
    ending.stop()


def die_with_parent() -> Callable[[], object]:
    """Have Linux kill the broker when this script is killed itself; other systems have nothing like it."""
    import ctypes

    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(DEATH_SIGNAL, signal.SIGKILL)


def say(what: dict[str, int]) -> None:
    try:
        print(json.dumps(what), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody is left to hear it


if __name__ == "__main__":
    main()
