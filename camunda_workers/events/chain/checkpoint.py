"""Checkpoints: what the log was at a size, signed. In C2SP's tlog-checkpoint format, with each partition's chain as extension lines."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from camunda_workers.errors import ReadModelError
from camunda_workers.events.chain.hashing import from_text, to_text
from camunda_workers.events.chain.note import Signer, Verifier, open_note

_SIZE = re.compile(r"0|[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Head:
    """Where a partition's chain is: the last record's position, and the link behind it."""

    position: int
    link: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed.

    Attributes:
        origin: which log; also the name of the key.
        size: how many records it covers.
        root: of the Merkle tree over them.
        heads: by partition.
        time: when it was made, by the clock of whoever signed.
    """

    origin: str
    size: int
    root: bytes
    heads: Mapping[int, Head] = field(default_factory=dict[int, Head])
    time: datetime | None = None

    def to_text(self) -> str:
        """The text that is signed."""
        lines = [self.origin, str(self.size), to_text(self.root)]
        if self.time is not None:
            lines.append(f"time {self.time.astimezone(UTC).isoformat(timespec='milliseconds').replace('+00:00', 'Z')}")
        lines += [f"partition {number} {head.position} {to_text(head.link)}" for number, head in sorted(self.heads.items())]
        return "\n".join(lines) + "\n"

    def sign(self, signer: Signer) -> str:
        """The checkpoint as a signed note."""
        return signer.sign(self.to_text())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a checkpoint's text; extension lines of others are passed over.

        Raises:
            ReadModelError: it is not one.
        """
        lines = text.removesuffix("\n").split("\n")
        try:
            if len(lines) < 3 or not lines[0] or not _SIZE.fullmatch(lines[1]):
                raise ValueError("it has no origin, size and root")
            root = from_text(lines[2])
            heads: dict[int, Head] = {}
            time: datetime | None = None
            for line in lines[3:]:
                words = line.split(" ")
                if words[0] == "partition" and len(words) == 4:
                    heads[int(words[1])] = Head(int(words[2]), from_text(words[3]))
                elif words[0] == "time" and len(words) == 2:
                    time = datetime.fromisoformat(words[1])
        except ValueError as error:
            raise ReadModelError(f"this is not a checkpoint: {error}") from error
        return cls(lines[0], int(lines[1]), root, heads, time)


def open_checkpoint(note: str, verifiers: Collection[Verifier]) -> Checkpoint:
    """Read a signed checkpoint.

    Raises:
        ReadModelError: the signature or the text is wrong, or it names another log than the key does.
    """
    checkpoint = Checkpoint.parse(open_note(note, verifiers))
    if all(checkpoint.origin != verifier.name for verifier in verifiers):
        raise ReadModelError(f"the checkpoint is of the log '{checkpoint.origin}', the key of '{', '.join(one.name for one in verifiers)}'")
    return checkpoint
