"""Whether a mail is from whom it says, as our own mail server found: ``Authentication-Results`` (RFC 8601).

Anybody can write such a header. One is believed only if it names a server that the project file trusts, and that server must remove what
comes from outside under its name (RFC 8601, 5), as all do that write these headers. Where believed results contradict each other, a mail is
not proven: one of them may be forged.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s;="]+|[;=]')
_LONGEST: Final = 10_000


@dataclass(frozen=True)
class Result:
    """What one method found.

    Attributes:
        method: ``dmarc``, ``dkim``, ``spf`` ...
        found: ``pass``, ``fail``, ``none`` ...
        properties: ``header.from`` and so on, in small letters.
    """

    method: str
    found: str
    properties: dict[str, str]


def is_proven(headers: Sequence[str], trusted: Collection[str], domain: str, envelope_sender: str | None) -> bool:
    """Whether a trusted server says that a mail is from a domain.

    DMARC decides where there is a result of it. Otherwise a valid DKIM signature of that domain (or of one above it) does, or SPF for an
    envelope sender of that domain.

    Args:
        headers: the ``Authentication-Results``, from the top.
        trusted: the servers' names (authserv-ids).
        domain: of the address in ``From``.
        envelope_sender: from the envelope, where it is known.
    """
    names = {one.strip().casefold() for one in trusted}
    results = [one for header in headers for server, found in (parsed(header),) if server in names for one in found]
    wanted = domain.casefold()
    if dmarc := [one for one in results if one.method == "dmarc"]:
        return all(one.found == "pass" and one.properties.get("header.from", "").casefold() == wanted for one in dmarc)
    dkim, spf = ([one for one in results if one.method == name] for name in ("dkim", "spf"))
    if dkim and all(one.found == "pass" for one in dkim) and any(_covers(_signer(one), wanted) for one in dkim):
        return True
    if not spf or (dkim and any(one.found != "pass" for one in dkim if one.found not in ("none", "neutral"))):
        return False
    mailers = {one.properties.get("smtp.mailfrom", "").rpartition("@")[2].casefold() for one in spf}
    sender = envelope_sender.rpartition("@")[2].casefold() if envelope_sender else wanted
    return all(one.found == "pass" for one in spf) and mailers == {wanted} and sender == wanted


def parsed(header: str) -> tuple[str, list[Result]]:
    """A header's server, in small letters, and its results; none of either where it cannot be read."""
    text = _without_comments(header[:_LONGEST])
    if text is None:
        return "", []
    parts: list[list[str]] = [[]]
    for token in _TOKENS.findall(text):
        if token == ";":
            parts.append([])
        else:
            parts[-1].append(_plain(token))
    server = parts[0][0].casefold() if parts[0] else ""
    results: list[Result] = []
    for tokens in parts[1:]:
        pairs = [(tokens[at - 1].casefold(), tokens[at + 1]) for at in range(1, len(tokens) - 1) if tokens[at] == "="]
        if pairs:
            (method, found), *properties = pairs
            results.append(Result(method.partition("/")[0], found.casefold(), dict(properties)))
    return server, results


def _without_comments(text: str) -> str | None:
    kept, depth, quoted, at = list[str](), 0, False, 0
    while at < len(text):
        letter = text[at]
        if letter == "\\" and (quoted or depth):
            kept += [] if depth else [text[at : at + 2]]
            at += 2
            continue
        if letter == '"' and not depth:
            quoted = not quoted
        elif letter == "(" and not quoted:
            depth += 1
        elif letter == ")" and not quoted and depth:
            depth -= 1
            at += 1
            kept.append(" ")
            continue
        if not depth:
            kept.append(letter)
        at += 1
    return "".join(kept) if not depth and not quoted else None


def _plain(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith('"') else token


def _signer(one: Result) -> str:
    return (one.properties.get("header.d") or one.properties.get("header.i", "").rpartition("@")[2]).casefold()


def _covers(signer: str, domain: str) -> bool:
    return "." in signer and (signer == domain or domain.endswith(f".{signer}"))
