"""Addresses and numbers as strangers write them."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

from starlette.convertors import Convertor, register_url_convertor

_LARGEST_KEY: Final = 2**63 - 1


class _Key(Convertor[int]):
    """A key in a path. Longer ones are nobody's, and Python and databases stumble over them."""

    regex = "[0-9]{1,19}"

    def convert(self, value: str) -> int:
        return min(int(value), _LARGEST_KEY)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("key", _Key())


def parts_of(address: str) -> SplitResult:
    """An address's parts; empty ones for what is no address."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def number_in(text: str, usual: int | None = None, *, digits: int = 18) -> int | None:
    """The number in a text, or what is usual: never one that takes long to read."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits else usual


__all__ = ["number_in", "parts_of"]
