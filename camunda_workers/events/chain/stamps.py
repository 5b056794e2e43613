"""Time stamps (RFC 3161): an authority of others signs that a checkpoint was there at a moment.

Whoever has the log's private key can sign another past; they cannot get yesterday's stamp for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from camunda_workers.errors import MissingExtra, ReadModelError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

SHA256_OID: Final = "2.16.840.1.101.3.4.2.1"
GRANTED: Final = 0
REQUEST_TYPE: Final = "application/timestamp-query"
RESPONSE_TYPE: Final = "application/timestamp-reply"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an authority said.

    Attributes:
        time: when it saw the checkpoint, by its own clock.
        accuracy: how far that may be off, as it says itself.
        authority: the name it gives itself.
        serial: its number for this stamp.
    """

    time: datetime
    accuracy: timedelta
    authority: str
    serial: int


def library() -> ModuleType:
    """The library that knows the format.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import rfc3161_client
    except ModuleNotFoundError as error:
        raise MissingExtra("timestamps", "time stamps of checkpoints") from error
    return rfc3161_client


def request_stamp(note: str) -> tuple[bytes, int]:
    """Ask for a stamp of this checkpoint.

    Args:
        note: the checkpoint as it was signed; the authority gets its SHA-256 only.

    Returns:
        The request (DER), and the number that the answer must repeat.
    """
    known: Any = library()
    request = known.TimestampRequestBuilder(note.encode(), known.HashAlgorithm.SHA256).build()
    return request.as_bytes(), request.nonce


def read_stamp(response: bytes, note: str, *, nonce: int | None = None, roots: Sequence[Certificate] = ()) -> Stamp:
    """Check an authority's answer.

    Args:
        response: the answer (DER).
        note: the checkpoint that it must be about, as it was signed.
        nonce: the number that the request had.
        roots: certificates that the authority's must lead to. Without any, its signature is not checked.

    Raises:
        ReadModelError: it is no answer, a refusal, about something else, or not signed by an authority that is trusted.
    """
    known: Any = library()
    try:
        answer = known.decode_timestamp_response(response)
    except Exception as error:  # the library raises whatever its parser does
        raise ReadModelError(f"the answer is not a time stamp: {error}") from error
    if answer.status != GRANTED:
        said = "; ".join(answer.status_string) or "no reason was given"
        raise ReadModelError(f"the authority refused (status {answer.status}: {said})")
    try:
        info = answer.tst_info
        imprint = info.message_imprint
        algorithm, digest, time = imprint.hash_algorithm.dotted_string, imprint.message, info.gen_time
        stamp = Stamp(time, _accuracy(info.accuracy), _name(info.name), int(info.serial_number))
        repeated = info.nonce
    except Exception as error:
        raise ReadModelError(f"the answer is not a whole time stamp: {error}") from error
    if algorithm != SHA256_OID or digest != sha256(note.encode()).digest():
        raise ReadModelError("the time stamp is of something else than this checkpoint")
    if nonce is not None and repeated != nonce:
        raise ReadModelError("the time stamp answers another request: its number is not the one that was sent")
    if roots:
        verifier = known.VerifierBuilder(roots=list(roots), nonce=nonce).build()
        try:
            verifier.verify(answer, digest)
        except Exception as error:
            raise ReadModelError(f"the time stamp is not signed by an authority that is trusted: {_last_words(error)}") from error
    return stamp


def read_roots(path: Path) -> list[Certificate]:
    """The certificates in a PEM file.

    Raises:
        ReadModelError: it cannot be read, or has none.
    """
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ReadModelError(f"{path} has no certificates of a time-stamping authority: {error}") from error


def _accuracy(told: Any) -> timedelta:
    if told is None:
        return timedelta(0)
    return timedelta(seconds=told.seconds or 0, milliseconds=told.millis or 0, microseconds=told.micros or 0)


def _name(told: Any) -> str:
    value: Any = getattr(told, "value", None)
    text = value.rfc4514_string() if hasattr(value, "rfc4514_string") else str(value) if value is not None else ""
    return text or "an authority without a name"


def _last_words(error: Exception) -> str:
    """OpenSSL's reason is at the end of a list of codes."""
    text = str(error)
    return text.rsplit("Verify error: ", 1)[-1].split('"')[0] if "Verify error: " in text else text[:300]
