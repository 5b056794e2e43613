"""XML with a DOCTYPE that would do harm if somebody believed it, and a server that nobody must call."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

KINDS = ("billion laughs", "file", "network", "external subset", "parameter entity")

_LAUGHS = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
_STARTED = b'<bpmn:startEvent id="started"'


def with_doctype(content: bytes, kind: str, address: str) -> bytes:
    """Return the BPMN or DMN file with a DOCTYPE, and a name that uses its entity.

    Args:
        content: the file.
        kind: one of `KINDS`.
        address: where the DOCTYPE would fetch something from.
    """
    doctype = {
        "billion laughs": f"<!DOCTYPE x [{_LAUGHS}]>",
        "file": f'<!DOCTYPE x [<!ENTITY a9 SYSTEM "{Path(__file__).as_uri()}">]>',
        "network": f'<!DOCTYPE x [<!ENTITY a9 SYSTEM "{address}/secret">]>',
        "external subset": f'<!DOCTYPE x SYSTEM "{address}/x.dtd">',
        "parameter entity": f'<!DOCTYPE x [<!ENTITY % p SYSTEM "{address}/p.dtd"> %p;]>',
    }[kind]
    head, _, rest = content.partition(b"?>")
    using = rest.replace(b'name="', b'name="&a9;', 1) if _STARTED not in rest else rest.replace(_STARTED, _STARTED + b' name="&a9;"', 1)
    return head + b"?>" + doctype.encode() + using


@contextmanager
def bait() -> Generator[tuple[str, list[str]]]:
    """Listen on loopback; yields the address and who has called."""
    callers: list[str] = []
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)

        def listen() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    connection, caller = server.accept()
                    callers.append(str(caller))
                    connection.close()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", callers
        finally:
            over.set()
            thread.join()
