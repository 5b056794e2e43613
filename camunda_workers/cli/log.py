"""``camunda-workers log``: is it what was written, what is in it, and where it goes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from camunda_workers.cli import log_feeding, log_reading
from camunda_workers.cli.log_options import (
    DataDir,
    Json,
    Key,
    Log,
    PublicKey,
    checkpoint_in,
    open_log,
    print_json,
    progress,
    say,
    signer_of,
    verifiers_of,
)
from camunda_workers.errors import ReadModelError

app = typer.Typer(no_args_is_help=True, help="Verify, read, feed and export the event log.")


@app.callback()
def group() -> None:
    """Verify, read, feed and export the event log."""


@app.command()
def verify(
    since: Annotated[
        Path | None, typer.Option("--from-checkpoint", help="Recompute only what is behind this signed checkpoint.", metavar="FILE")
    ] = None,
    trusted: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="A checkpoint that you kept elsewhere: the log must agree with it, too.", metavar="FILE"),
    ] = None,
    archives: Annotated[
        list[Path] | None, typer.Option("--archive", help="An archive of older records: check that, too.", metavar="FILE")
    ] = None,
    tsa_ca: Annotated[
        Path | None,
        typer.Option("--tsa-ca", help="Certificates (PEM) that time stamps must lead to; default CAMUNDA_WORKERS_TSA_CA.", metavar="FILE"),
    ] = None,
    public_key: PublicKey = None,
    data_dir: DataDir = None,
    log: Log = None,
    as_json: Json = False,
) -> None:
    """Recompute every hash and compare it with what was kept, signed and time-stamped; exit code 1 names the first bad record."""
    raise typer.Exit(asyncio.run(_verify(since, trusted or [], archives or [], tsa_ca, public_key, data_dir, log, as_json)))


async def _verify(
    since: Path | None,
    trusted: list[Path],
    archives: list[Path],
    tsa_ca: Path | None,
    public_key: str | None,
    data_dir: Path | None,
    target: str | None,
    as_json: bool,
) -> int:
    from camunda_workers.cli.log_stamps import check_stamps, stamps_json, stamps_told
    from camunda_workers.events.chain.verify import verify_log
    from camunda_workers.events.retention import verify_archive

    async with open_log(data_dir, target) as log:
        keys = verifiers_of(log, public_key, data_dir)
        if (since or trusted) and not keys:
            raise ReadModelError("a checkpoint can only be checked with the log's public key: name it with --public-key")
        with progress("verifying") as told:
            report = await verify_log(
                log,
                keys,
                since=checkpoint_in(since, keys) if since is not None else None,
                trusted=[checkpoint_in(path, keys) for path in trusted],
                progress=told,
            )
        problems, checked = list(report.problems), 0
        for path in archives:
            count, found = await verify_archive(log, path)
            checked += count
            problems += found
        stamps = await check_stamps(log, tsa_ca)
        problems += stamps.problems
    if as_json:
        print_json(
            {
                "good": not problems,
                "size": report.size,
                "root": report.root.hex(),
                "recomputed": report.records,
                "from": report.first,
                "archived": report.archived,
                "archivedChecked": checked,
                "contents": report.contents,
                "erased": report.erased,
                "checkpoints": report.checkpoints,
                "signedTo": report.signed_to,
                **stamps_json(stamps),
                "problems": [
                    {"record": one.seq, "partition": one.partition, "position": one.position, "what": one.what} for one in problems
                ],
            }
        )
        return 1 if problems else 0
    if problems:
        say(f"WRONG: {problems[0].what}")
        for problem in problems[1:20]:
            say(f"  also: {problem.what}")
        return 1
    behind = f" (behind record {report.first - 1})" if report.first else ""
    say(f"good: {report.records} of {report.size} records recomputed{behind}, {report.contents} contents, {report.erased} erased")
    if not keys:
        say(
            "no public key was found, so signatures were not checked: sign with 'camunda-workers log checkpoint', or name one with --public-key"
        )
    elif report.checkpoints == 0:
        say("nothing was signed yet: 'camunda-workers log checkpoint' does it")
    else:
        unsigned = report.size - report.signed_to
        say(f"signed: {report.checkpoints} checkpoints up to {report.signed_to} records" + (f", {unsigned} since" if unsigned else ""))
    for line in stamps_told(stamps):
        say(line)
    return 0


@app.command()
def checkpoint(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it to a file, too: keep that elsewhere.", metavar="FILE")
    ] = None,
    key: Key = None,
    data_dir: DataDir = None,
    log: Log = None,
) -> None:
    """Sign what the log is now, and print it. A checkpoint that somebody else keeps is what no one can take back.

    With CAMUNDA_WORKERS_TSA_URL a time-stamping authority (RFC 3161) stamps it, too; with -o its answer is beside it, in a file named .tsr.
    """
    note, stamp = asyncio.run(_checkpoint(key, data_dir, log))
    if output is not None:
        output.write_text(note)
        if stamp is not None:
            output.with_suffix(".tsr").write_bytes(stamp)
    print(note, end="")


async def _checkpoint(key: Path | None, data_dir: Path | None, target: str | None) -> tuple[str, bytes | None]:
    from camunda_workers.cli.log_stamps import sign_and_stamp

    async with open_log(data_dir, target) as log:
        return await sign_and_stamp(log, signer_of(log, key, data_dir))


@app.command()
def erase(
    subject: Annotated[
        str, typer.Option("--subject", help="A case's business id, a process instance's key, or a text that stands in a variable.")
    ],
    reason: Annotated[str, typer.Option(help="Why; is kept in the log. Nothing personal here.")] = "",
    by: Annotated[str, typer.Option(help="Who decided it; is kept in the log.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    log: Log = None,
    as_json: Json = False,
) -> None:
    """Erase what the log knows of somebody: variables, messages, texts. The records stay, and the log still verifies."""
    asyncio.run(_erase(subject, reason, by, yes, data_dir, log, as_json))


async def _erase(subject: str, reason: str, by: str, yes: bool, data_dir: Path | None, target: str | None, as_json: bool) -> None:
    from camunda_workers.events.chain.erase import erase, plan_erasure
    from camunda_workers.events.partitions import EveryPartition

    async with open_log(data_dir, target) as log:
        plan = await plan_erasure(log, subject)
        cases = ", ".join(plan.business_ids) or "no business id"
        if not as_json:
            say(f"{len(plan.contents)} contents of {plan.records} records, {len(plan.instances)} process instances ({cases})")
        if not yes:
            typer.confirm("Erase them for ever?", abort=True)
        erased = await erase(log, plan, reason=reason, by=by)
        with progress("folding the read model anew"):
            await EveryPartition(log).rebuild()
        if as_json:
            print_json(
                {
                    "erased": erased,
                    "records": plan.records,
                    "cases": plan.business_ids,
                    "processInstances": [str(k) for k in plan.instances],
                }
            )
        else:
            say(f"erased {erased} contents; 'camunda-workers log verify' still holds")


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="Where to: a zip for proofs and xes, a folder for parquet, a .json or .sqlite for ocel.")],
    what: Annotated[
        str, typer.Option("--format", help="proofs (records with an offline verifier), parquet, ocel (JSON or SQLite, by the name), xes.")
    ] = "proofs",
    process: Annotated[str | None, typer.Option("--process", help="Only this process (ocel, xes).", metavar="PROCESS_ID")] = None,
    key: Key = None,
    data_dir: DataDir = None,
    log: Log = None,
) -> None:
    """Write the log for others: with proofs, for a warehouse, or for process mining."""
    say(asyncio.run(_export(path, what, process, key, data_dir, log)))


async def _export(path: Path, what: str, process: str | None, key: Path | None, data_dir: Path | None, target: str | None) -> str:
    async with open_log(data_dir, target) as log:
        if what == "proofs":
            from camunda_workers.cli.log_stamps import sign_and_stamp
            from camunda_workers.events.chain.checkpoint import open_checkpoint
            from camunda_workers.events.export.proofs import export_log

            signer = signer_of(log, key, data_dir)
            note, stamp = await sign_and_stamp(log, signer, must=False)
            size = open_checkpoint(note, [signer.verifier]).size
            with progress("exporting") as told:
                await export_log(log, path, note, size, told, stamp=stamp)
            return f"{size} records in {path}; check them with: unzip {path} verify.py && python verify.py {path} '{signer.verifier}'"
        if what == "parquet":
            from camunda_workers.events.export.parquet import export_parquet
            from camunda_workers.events.partitions import EveryPartition

            await EveryPartition(log).catch_up()
            with progress("exporting") as told:
                counts = await export_parquet(log, path, told)
            return f"{counts['records']} records and {len(counts) - 1} tables in {path}"
        if what in ("ocel", "xes"):
            from camunda_workers.events.export.mining import mine
            from camunda_workers.events.export.ocel import write_ocel_json, write_ocel_sqlite
            from camunda_workers.events.export.xes import write_xes

            events, things = await mine(log, process)
            if what == "xes":
                return f"{len(events)} events of {write_xes(events, path)} cases in {path}"
            write = write_ocel_sqlite if path.suffix in (".sqlite", ".db") else write_ocel_json
            write(events, things, path)
            return f"{len(events)} events and {len(things)} objects in {path}"
        raise typer.BadParameter(f"there is no format '{what}': proofs, parquet, ocel, xes", param_hint="--format")


@app.command()
def archive(
    folder: Annotated[Path, typer.Argument(help="Where the Parquet file goes.")],
    before: Annotated[datetime, typer.Option("--before", formats=["%Y-%m-%d"], help="Records before this day (UTC) may go.")],
    contents: Annotated[
        bool, typer.Option("--contents/--no-contents", help="Whether variables and texts go along; otherwise they are gone for good.")
    ] = True,
    key: Key = None,
    data_dir: DataDir = None,
    log: Log = None,
) -> None:
    """Move old records into a Parquet file. Their hashes stay, so file and log can still be checked against each other."""
    say(asyncio.run(_archive(folder, before.replace(tzinfo=UTC), contents, key, data_dir, log)))


async def _archive(folder: Path, before: datetime, contents: bool, key: Path | None, data_dir: Path | None, target: str | None) -> str:
    from camunda_workers.events.chain.notary import Notary
    from camunda_workers.events.partitions import EveryPartition
    from camunda_workers.events.retention import archive

    async with open_log(data_dir, target) as log:
        await Notary(log, signer_of(log, key, data_dir)).sign()
        with progress("archiving") as told:
            done = await archive(log, EveryPartition(log), folder, before, with_contents=contents, progress=told)
    if done.path is None:
        return f"nothing to archive: {done.why}"
    return f"{done.end - done.begin} records in {done.path}; it ends with record {done.end - 1}, because {done.why}"


for _name, _command in {**log_reading.COMMANDS, **log_feeding.COMMANDS}.items():
    app.command(_name)(_command)
