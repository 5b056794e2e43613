"""The evidence of one case as a signed zip: for people (a page), for programs (JSON), and for those who doubt (proofs and a verifier)."""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, select

from camunda_workers.errors import CamundaWorkersError, NotFound
from camunda_workers.events.chain.anchor import kept_stamp
from camunda_workers.events.chain.checkpoint import open_checkpoint
from camunda_workers.events.chain.notary import Notary, prove
from camunda_workers.events.export.evidence import Evidence, gather
from camunda_workers.events.export.page import render_page
from camunda_workers.events.export.proofs import STAMP, record_line, verifier_source, zip_entry
from camunda_workers.events.reading import contents
from camunda_workers.events.schema import records
from camunda_workers.events.story import case_story

if TYPE_CHECKING:
    from camunda_workers.events.chain.anchor import Anchor
    from camunda_workers.events.chain.note import Signer
    from camunda_workers.events.log import EventLog

_AT_ONCE: Final = 500
_logger = logging.getLogger(__name__)
README: Final = """\
Evidence of the case {case}

  index.html        read this first: what happened, who did it, what they saw
  story.json        the same story for programs
  records.jsonl     the {count} records that it is told from, each with the proof that it is in the log
  variables.json    every value that each variable has had
  shown.json        what each task showed when it was made and when it was completed, with a SHA-256
  forms/ diagrams/  the versions that were in use
  checkpoint.txt    what the log was when this was made, signed
  checkpoint.tsr    where there is one: a time-stamping authority's word (RFC 3161) on when it saw that checkpoint
  bundle.txt        the SHA-256 of every file here, signed
  verify.py         checks all of it, without any network or other program:

      python verify.py <this zip> '{key}'

Ask whoever runs the log for its public key, and compare it with the one above: it is what everything here rests on.
"""


async def export_case(
    log: EventLog, business_id: str, path: Path, signer: Signer, *, now: datetime | None = None, anchor: Anchor | None = None
) -> int:
    """Write the evidence of a case.

    Args:
        log: where the case is.
        business_id: which case.
        path: the zip; replaced when it is there.
        signer: the log's key; a checkpoint is signed first, so that the proofs reach every record of the case.
        now: the moment of telling.
        anchor: has that checkpoint time-stamped; one that does not answer is told of in this process's log, and the evidence is written.

    Returns:
        How many records it has.

    Raises:
        NotFound: the log knows no such case.
    """
    moment = now or datetime.now(UTC)
    story = await case_story(log, business_id, now=moment)
    note = await Notary(log, signer).sign()
    checkpoint = open_checkpoint(note, [signer.verifier])
    if anchor is not None:
        try:
            await anchor.stamp(checkpoint.size, note)
        except CamundaWorkersError as error:
            _logger.warning("the evidence is not time-stamped: %s", error)
    stamp = await kept_stamp(log, checkpoint.size)
    evidence = await gather(log, business_id, [one.key for one in story.instances])
    evidence.seqs = [seq for seq in evidence.seqs if seq < checkpoint.size]
    if not evidence.seqs:
        raise NotFound(f"the event log {log.database.name} has no records of the case '{business_id}' any more: they were archived")
    proofs = await prove(log, evidence.seqs, checkpoint.size)
    lines = await log.database.read(lambda connection: _lines(connection, evidence.seqs, proofs))
    key = str(signer.verifier)
    files: dict[str, bytes] = {
        "README.txt": README.format(case=business_id, count=len(lines), key=key).encode(),
        "index.html": render_page(story, evidence, checkpoint, key).encode(),
        "story.json": _json(story.to_json()),
        "shown.json": _json([one.to_json() for one in evidence.shown]),
        "variables.json": _json(evidence.variables),
        "facts.json": _json([json.loads(one.text) for one in evidence.facts]),
        "records.jsonl": "".join(f"{line}\n" for line in lines).encode(),
        "checkpoint.txt": note.encode(),
        **({STAMP: stamp} if stamp is not None else {}),
        "verify.py": verifier_source().encode(),
        **{f"forms/{_safe(name)}": text.encode() for name, text in sorted(evidence.forms.items())},
        **{f"diagrams/{_safe(name)}": content for name, content in sorted(evidence.diagrams.items())},
    }
    listed = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    files["bundle.txt"] = signer.sign(f"camunda-workers evidence of the case {' '.join(business_id.split())}\n{listed}").encode()
    part = path.with_name(path.name + ".part")
    with zipfile.ZipFile(part, "w") as bundle:
        for name, content in files.items():
            bundle.writestr(zip_entry(name), content)
    part.replace(path)
    return len(lines)


def _lines(connection: Connection, seqs: Sequence[int], proofs: dict[int, list[bytes]]) -> list[str]:
    lines: list[str] = []
    for start in range(0, len(seqs), _AT_ONCE):
        rows = connection.execute(select(records).where(records.c.seq.in_(seqs[start : start + _AT_ONCE])).order_by(records.c.seq)).all()
        apart = contents(connection, [row.seq for row in rows if row.sealed])
        lines += [record_line(row, apart.get(row.seq, ()), proofs[row.seq]) for row in rows]
    return lines


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()


def _safe(name: str) -> str:
    """A file's name that leads nowhere else."""
    return "".join(character if character.isalnum() or character in "._-" else "_" for character in name).lstrip(".") or "_"


__all__ = ["Evidence", "export_case"]
