"""The users of basic authentication: one a line in a file that only its owner can read, ``name:hash`` or ``name:hash:group,group``."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from camunda_workers.engine.embedded.auth.passwords import hashed, is_hash
from camunda_workers.errors import ConfigurationError

FILE: Final = "users"
"""The file's name in a durable engine's folder."""
DEVELOPMENT_USER: Final = "demo"
_NAME: Final = re.compile(r"[A-Za-z0-9_@.+-]{1,256}")
"""What Camunda takes as a user's name."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may come in.

    Attributes:
        password: hashed.
        groups: whose member they are.
    """

    name: str
    password: str
    groups: tuple[str, ...] = ()


class Users:
    """Who may come in, by name.

    Args:
        path: the file, read again whenever it was changed; None keeps them in memory.
        users: who is known at first, where there is no file.
    """

    def __init__(self, path: Path | None = None, users: Mapping[str, User] | None = None) -> None:
        self._path = path
        self._users = dict(users or {})
        self._read_at: tuple[int, int] | None = None
        if path is not None:
            self._users = self._current(path)

    def get(self, name: str) -> User | None:
        """Return a user.

        Raises:
            ConfigurationError: the file cannot be read, or holds something else.
        """
        if self._path is not None:
            self._users = self._current(self._path)
        return self._users.get(name)

    def __len__(self) -> int:
        return len(self._users)

    def _current(self, path: Path) -> dict[str, User]:
        try:
            found = path.stat()
            changed = found.st_mtime_ns, found.st_size
            if changed == self._read_at:
                return self._users
            users = _read(path)
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be read ({error.strerror}): 'camunda-workers engine user NAME --users {path}' makes it"
            ) from error
        self._read_at = changed
        return users


def set_user(path: Path, name: str, password: str, groups: tuple[str, ...] = ()) -> None:
    """Add somebody to a file, or give them another password and other groups.

    Raises:
        ConfigurationError: a name that Camunda would not take, no password, or a file that holds something else.
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigurationError(f"{name!r} cannot be a user's name: letters, digits and _ @ . + - are taken, at most 256")
    if not password:
        raise ConfigurationError("a user needs a password")
    if wrong := [group for group in groups if _NAME.fullmatch(group) is None]:
        raise ConfigurationError(f"{wrong[0]!r} cannot be a group's name: letters, digits and _ @ . + - are taken")
    users = _read(path) if path.exists() else {}
    users[name] = User(name, hashed(password), groups)
    lines = [":".join((user.name, user.password, *([",".join(user.groups)] if user.groups else []))) for user in users.values()]
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    # Made closed to others, not closed after it was written.
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def open_users(path: Path | None, data: Path | None) -> tuple[Users, str | None]:
    """Return who may come in, and the password of the development user if one had to be made.

    Args:
        path: the file that was named, if one was; it has to be there.
        data: the engine's folder, if it has one: the users are kept there where no file was named.
    """
    if path is not None:
        users = Users(path)
        if not len(users):
            raise ConfigurationError(f"{path} names nobody: 'camunda-workers engine user NAME --users {path}' adds somebody")
        return users, None
    own = None if data is None else data / FILE
    if own is not None and own.exists():
        return Users(own), None
    password = secrets.token_urlsafe(12)
    if own is None:
        return Users(users={DEVELOPMENT_USER: User(DEVELOPMENT_USER, hashed(password))}), password
    set_user(own, DEVELOPMENT_USER, password)
    return Users(own), password


def _read(path: Path) -> dict[str, User]:
    users: dict[str, User] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, kept, groups, *more = [*line.strip().split(":"), "", ""]
        if _NAME.fullmatch(name) is None or not is_hash(kept) or any(more[1:]):
            # Never the line itself: it may hold a password that somebody wrote there.
            raise ConfigurationError(f"{path}, line {number} is not 'name:hash' as 'camunda-workers engine user' writes it")
        users[name] = User(name, kept, tuple(group for group in groups.split(",") if group))
    return users
