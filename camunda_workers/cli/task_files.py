"""``camunda-workers tasks download``: a file of a task's case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camunda_workers.cli.task_session import As, Groups, Json, Key, Session, run, show_json
from camunda_workers.errors import InvalidArgument

if TYPE_CHECKING:
    from camunda_workers.tasks.documents import CaseDocument


def download(
    key: Key,
    file: Annotated[str, typer.Argument(help="The file's id or name, as 'tasks show' names it.", metavar="FILE")],
    to: Annotated[Path | None, typer.Option("--to", help="Where to put it; here and under its own name otherwise.", metavar="PATH")] = None,
    user: As = None,
    groups: Groups = None,
    as_json: Json = False,
) -> None:
    """Save a document of a task's case; nothing that is there already is overwritten."""

    async def work(session: Session) -> tuple[CaseDocument, int, Path]:
        named = [one.id for one in await session.tasks.documents(session.caller, key) if one.name == file]
        if len(named) > 1:
            raise InvalidArgument(f"there are {len(named)} files called '{file}': say which by its id, one of {', '.join(named)}")
        opened = await session.tasks.document(session.caller, key, named[0] if named else file)
        one, content = opened.document, opened.content
        await session.tasks.viewed(session.caller, opened.task, "file", about=one.name, variables=opened.variables)
        # Whoever attached it chose the name: it names a file here, and no folder.
        plain = Path(one.name.replace("\\", "/")).name or one.id
        target = Path(plain) if to is None else to / plain if to.is_dir() else to
        try:
            with target.open("xb") as written:
                written.write(content)
        except FileExistsError as error:
            raise InvalidArgument(f"{target} is there already: say another place with --to") from error
        except OSError as error:
            raise InvalidArgument(f"{target} cannot be written: {error.strerror}") from error
        return one, len(content), target

    one, size, target = run(work, user, groups)
    if as_json:
        show_json({"id": one.id, "name": one.name, "size": size, "path": str(target)})
    else:
        print(f"task {key}: {one.name} is in {target} ({size} bytes)")
