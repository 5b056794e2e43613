"""Checks an export of an event log, or the evidence of one case. Needs this file, the export and the public key; nothing else.

    python verify.py EXPORT.zip PUBLIC_KEY [TSA_CERTIFICATES.pem]

EXPORT.zip has ``checkpoint.txt`` (a signed note: C2SP tlog-checkpoint), ``records.jsonl`` and, for a case, ``bundle.txt`` (a signed note with
the SHA-256 of every other file). PUBLIC_KEY is the key's text, or a file with it. Exit code 0: everything is as it was signed; 1: it is not.

With ``checkpoint.tsr`` in it, a time-stamping authority (RFC 3161) saw the checkpoint. Who signed that is checked with ``openssl ts -verify``
when the authority's certificates are named. This file is copied into every export: the rest needs Python's standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]
MARK = re.compile(r'\{"\$sealed":"([A-Za-z0-9_-]{43})"\}')


class Wrong(Exception):
    """Something is not as it was signed."""


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


# --- Ed25519 -----------------------------------------------------------------------------------------------------------------------


def _add(a: Point, b: Point) -> Point:
    left, right = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = right - left, d - c, d + c, right + left
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(scalar: int, point: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _x_of(y: int, sign: int) -> int | None:
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if y >= P or (square == 0 and sign):
        return None
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    return P - x if (x & 1) != sign else x


def _point(data: bytes) -> Point | None:
    number = int.from_bytes(data, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    x = _x_of(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = _x_of(BASE_Y, 0) or 0
BASE: Point = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def signature_holds(key: bytes, text: bytes, signature: bytes) -> bool:
    """RFC 8032, section 5.1.7."""
    if len(key) != 32 or len(signature) != 64:
        return False
    a, r, s = _point(key), _point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % ORDER
    left, right = _times(s, BASE), _add(r, _times(h, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# --- notes and trees ---------------------------------------------------------------------------------------------------------------


def open_note(note: str, public_key: str) -> str:
    """The text of a note, if the key signed it."""
    name, identifier, encoded = public_key.strip().split("+", 2)
    raw = base64.b64decode(encoded)
    if raw[:1] != b"\x01" or sha256(name.encode() + b"\n" + raw)[:4].hex() != identifier:
        raise Wrong("the public key is not one: expected <name>+<8 hex digits>+<Base64>")
    text, _, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if len(lines) < 2 or lines[-1] or not all(re.fullmatch("— [^ +]+ [A-Za-z0-9+/]+=*", line) for line in lines[:-1]):
        raise Wrong("there are no signatures, or something else among them")
    for line in lines:
        if line.startswith(f"— {name} "):
            signature = base64.b64decode(line.rsplit(" ", 1)[1])
            if signature[:4].hex() == identifier:
                if signature_holds(raw[1:], (text + "\n").encode(), signature[4:]):
                    return text + "\n"
                raise Wrong(f"the signature of {name} is wrong")
    raise Wrong(f"there is no signature of {name}")


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1."""
    if not leaves:
        return sha256(b"")
    level = leaves
    while len(level) > 1:
        paired = [sha256(b"\x01" + level[at] + level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def is_included(number: int, size: int, leaf: bytes, proof: list[bytes], root: bytes) -> bool:
    """RFC 9162, section 2.1.3.2."""
    if not 0 <= number < size:
        return False
    at, last, found = number, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = sha256(b"\x01" + sibling + found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = sha256(b"\x01" + found + sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


# --- time stamps -------------------------------------------------------------------------------------------------------------------


def parts_of(data: bytes) -> list[bytes]:
    """What an ASN.1 value in DER consists of, without the tags."""
    found: list[bytes] = []
    at = 0
    while at < len(data):
        length, at = data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise Wrong("the time stamp is cut off")
        found.append(data[at : at + length])
        at += length
    return found


def time_stamped(response: bytes, note: bytes) -> datetime:
    """When an authority saw the note, as its answer (RFC 3161, section 2.4.2) says; its signature is another matter."""
    try:
        _status, token = parts_of(parts_of(response)[0])
        signed = parts_of(parts_of(parts_of(token)[1])[0])
        info = parts_of(parts_of(parts_of(parts_of(signed[2])[1])[0])[0])
        algorithm, imprint = parts_of(info[2])
        moment = datetime.strptime(info[4].decode()[:14], "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)  # noqa: UP017 (older Pythons)
    except (IndexError, ValueError) as error:
        raise Wrong(f"checkpoint.tsr is not a time stamp: {error}") from error
    if parts_of(algorithm)[0].hex() != "608648016503040201" or imprint != sha256(note):
        raise Wrong("checkpoint.tsr is the time stamp of something else than checkpoint.txt")
    return moment


def check_stamp(response: bytes, note: bytes, certificates: str | None) -> str:
    """Check the authority's answer, with its certificates if they are given."""
    moment = time_stamped(response, note)
    said = f"a time-stamping authority saw the checkpoint on {moment:%Y-%m-%d at %H:%M:%S} UTC"
    if certificates is None:
        return f"{said}; who signed that was not checked: name its certificates (PEM) as a third argument"
    if (openssl := shutil.which("openssl")) is None:
        raise Wrong("openssl is not on this machine, and without it nobody can say here who signed the time stamp")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "note").write_bytes(note)
        Path(folder, "stamp").write_bytes(response)
        at = str(int(moment.timestamp()))
        command = [openssl, "ts", "-verify", "-data", f"{folder}/note", "-in", f"{folder}/stamp", "-CAfile", certificates, "-attime", at]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or "Verification: OK" not in done.stdout:
        raise Wrong(f"the time stamp is not signed by an authority that these certificates stand for: {done.stderr.strip()[-300:]}")
    return f"{said}, signed by one that {Path(certificates).name} stands for"


# --- exports -----------------------------------------------------------------------------------------------------------------------


def lines_of(bundle: zipfile.ZipFile) -> Iterator[dict[str, Any]]:
    with bundle.open("records.jsonl") as file:
        for line in file:
            yield json.loads(line)


def check_record(row: dict[str, Any]) -> tuple[bytes, int, int]:
    """A record's leaf, how many contents are there, and how many were erased or left out."""
    entry = str(row["entry"])
    head, _, text = entry.partition("\n")
    fields, record = head.split("\t"), json.loads(text)
    told = [record["partitionId"], record["position"], record["timestamp"], record["recordType"], record["valueType"], record["intent"]]
    if fields[:6] != [str(one) for one in told]:
        raise Wrong(f"record {row['seq']}: its first line says something else than its text")
    marks = set(MARK.findall(text))
    contents: list[list[str]] = row.get("contents") or []
    for salt, body in contents:
        commitment = base64.urlsafe_b64encode(sha256(b"\x02" + base64.b64decode(salt) + str(body).encode()))[:43].decode()
        if commitment not in marks:
            raise Wrong(f"record {row['seq']} (partition {fields[0]}, position {fields[1]}): a content is not what the log committed to")
    return sha256(b"\x00" + entry.encode()), len(contents), len(marks) - len(contents)


def check(path: str, public_key: str, certificates: str | None = None) -> list[str]:
    """Check an export; what was found, in words.

    Raises:
        Wrong: something is not as it was signed.
    """
    told: list[str] = []
    with zipfile.ZipFile(path) as bundle:
        names = bundle.namelist()
        if len(set(names)) != len(names):
            raise Wrong("two files of the export have the same name")
        if "bundle.txt" in names:
            told.append(check_files(bundle, names, public_key))
        note = bundle.read("checkpoint.txt")
        text = open_note(note.decode(), public_key).split("\n")
        size, root = int(text[1]), base64.b64decode(text[2])
        told.append(f"checkpoint of {text[0]}: {size} records, signature good")
        if "checkpoint.tsr" in names:
            told.append(check_stamp(bundle.read("checkpoint.tsr"), note, certificates))
        leaves: list[bytes] = []
        count = contents = gone = 0
        for row in lines_of(bundle):
            leaf, here, missing = check_record(row)
            count, contents, gone = count + 1, contents + here, gone + missing
            if "proof" in row:
                if not is_included(int(row["seq"]), size, leaf, [base64.b64decode(one) for one in row["proof"]], root):
                    raise Wrong(f"record {row['seq']} is not what was signed: it was altered, or does not belong to this log")
            else:
                if int(row["seq"]) != len(leaves):
                    raise Wrong(f"record {len(leaves)} is missing")
                leaves.append(leaf)
        if leaves or not count:
            if len(leaves) != size:
                raise Wrong(f"there are {len(leaves)} records, but {size} were signed")
            if tree_root(leaves) != root:
                raise Wrong("the records are not what was signed: one was altered, removed, added or put elsewhere")
        told.append(f"{count} records are what was signed, {contents} contents are what the log committed to, {gone} contents were erased")
    return told


def check_files(bundle: zipfile.ZipFile, names: list[str], public_key: str) -> str:
    lines = open_note(bundle.read("bundle.txt").decode(), public_key).splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines) if re.fullmatch("[0-9a-f]{64}", digest)}
    if set(listed) != set(names) - {"bundle.txt"}:
        raise Wrong(f"files were added or removed: {', '.join(sorted(set(listed) ^ (set(names) - {'bundle.txt'})))}")
    for name, digest in listed.items():
        if sha256(bundle.read(name)).hex() != digest:
            raise Wrong(f"{name} is not the file that was signed")
    return f"{lines[0]}: {len(listed)} files are what was signed"


def main(arguments: list[str]) -> int:
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    key = Path(arguments[1])
    try:
        for line in check(arguments[0], key.read_text() if "+" not in arguments[1] or key.is_file() else arguments[1], *arguments[2:]):
            print(f"good: {line}")
    except Wrong as error:
        print(f"WRONG: {error}")
        return 1
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        print(f"WRONG: this is not an export that can be checked: {error!r}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
