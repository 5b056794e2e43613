"""How requests are parsed: in C where its library is there, which halves what the server itself costs a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asyncio import Protocol

MOST: Final = 64 * 1024
"""Bytes that may come, a piece of the socket's buffer more or less, without a head being complete or anything of a body being in them."""


def protocol() -> type[Protocol] | str:
    """Return uvicorn's ``http`` setting.

    httptools keeps what it has read of a head or a trailer until that is complete, however long it gets: so the connection counts.
    """
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        return "h11"

    class Bounded(HttpToolsProtocol):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._silent = 0
            self._heard = False

        def data_received(self, data: bytes) -> None:
            self._heard = False
            super().data_received(data)
            self._silent = 0 if self._heard else self._silent + len(data)
            if self._silent > MOST and not self.transport.is_closing():
                self.send_400_response("Request head too large.")

        def on_headers_complete(self) -> None:
            self._heard = True
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._heard = True
            super().on_body(body)

    return Bounded
