"""Signed notes: a text and Ed25519 signatures under it, readable by people and by any implementation of C2SP's signed-note format."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from camunda_workers.errors import ReadModelError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_ED25519 = b"\x01"
_NAME = re.compile(r"[^\s+]+")
_SIGNATURE = re.compile(r"— (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/]+=*)")
_PRIVATE = "PRIVATE+KEY+"


def _key_id(name: str, key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + key).digest()[:4]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key and the name it signs under.

    Attributes:
        name: whose key it is; for a log this is the log's origin.
        key: the 32 bytes of the Ed25519 key.
    """

    name: str
    key: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key in its text form: ``name+id+key``.

        Raises:
            ReadModelError: it is not one.
        """
        name, _, rest = text.strip().partition("+")
        identifier, _, encoded = rest.partition("+")
        raw = _decoded(encoded)
        if not _NAME.fullmatch(name) or len(raw) != 33 or raw[:1] != _ED25519 or identifier != _key_id(name, raw[1:]).hex():
            raise ReadModelError(f"this is not a public key of a log: {text.strip()[:80]!r}; expected <name>+<8 hex digits>+<Base64>")
        return cls(name, raw[1:])

    def __str__(self) -> str:
        return f"{self.name}+{_key_id(self.name, self.key).hex()}+{base64.b64encode(_ED25519 + self.key).decode()}"

    def holds(self, text: bytes, signature: bytes) -> bool:
        """Whether this key made that signature of the text."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text)
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key and the name it signs under."""

    def __init__(self, name: str, secret: bytes) -> None:
        if not _NAME.fullmatch(name):
            raise ReadModelError(f"a key's name has no blanks and no '+': {name!r}")
        self._key = _private_key(secret)
        self._secret = secret
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw())

    @classmethod
    def new(cls, name: str) -> Self:
        """Make a new key."""
        import secrets

        return cls(name, secrets.token_bytes(32))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a private key in its text form: ``PRIVATE+KEY+name+id+key``.

        Raises:
            ReadModelError: it is not one. The text is not repeated.
        """
        body = text.strip()
        name, _, rest = body.removeprefix(_PRIVATE).partition("+")
        identifier, _, encoded = rest.partition("+")
        raw = _decoded(encoded)
        if not body.startswith(_PRIVATE) or len(raw) != 33 or raw[:1] != _ED25519:
            raise ReadModelError("this is not a private key of a log: expected PRIVATE+KEY+<name>+<8 hex digits>+<Base64>")
        signer = cls(name, raw[1:])
        if identifier != _key_id(name, signer.verifier.key).hex():
            raise ReadModelError("this private key does not belong to the name it carries")
        return signer

    def to_text(self) -> str:
        """The private key in its text form. Keep it from everybody."""
        name = self.verifier.name
        return f"{_PRIVATE}{name}+{_key_id(name, self.verifier.key).hex()}+{base64.b64encode(_ED25519 + self._secret).decode()}"

    def sign(self, text: str) -> str:
        """The note: the text with this key's signature under it.

        Args:
            text: ends with a newline.
        """
        signature = _key_id(self.verifier.name, self.verifier.key) + self._key.sign(text.encode())
        return f"{text}\n— {self.verifier.name} {base64.b64encode(signature).decode()}\n"


def _private_key(secret: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(secret)


def open_note(note: str, verifiers: Collection[Verifier]) -> str:
    """The text of a note that at least one of these keys has signed.

    Raises:
        ReadModelError: it is not a note, no key of these has signed it, or a signature is wrong.
    """
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise ReadModelError("this is not a signed note: it has no signatures under an empty line")
    text += "\n"
    signed = False
    for line in signatures.removesuffix("\n").split("\n"):
        match = _SIGNATURE.fullmatch(line)
        raw = _decoded(match["signature"]) if match else b""
        if match is None or len(raw) < 5:
            raise ReadModelError(f"this is not a signature line of a note: {line[:100]!r}")
        for verifier in verifiers:
            if match["name"] == verifier.name and raw[:4] == _key_id(verifier.name, verifier.key):
                if not verifier.holds(text.encode(), raw[4:]):
                    raise ReadModelError(f"the signature of {verifier.name} is wrong: the note or its signature was altered")
                signed = True
    if not signed:
        names = ", ".join(str(one) for one in verifiers) or "no key at all"
        raise ReadModelError(f"the note is not signed by {names}")
    return text
