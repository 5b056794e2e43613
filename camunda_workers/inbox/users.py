"""Who is who in the inbox; and who may sign in during development, with one password that ``up`` prints."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from camunda_workers.project_people import DutiesSection, InboxSection
from camunda_workers.tasks import Caller
from camunda_workers.tasks.duties.identity import folded


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in."""

    user: str
    name: str
    groups: frozenset[str]
    tenants: frozenset[str] | None = None

    @property
    def caller(self) -> Caller:
        """As the task service knows the person."""
        return Caller(self.user, self.groups, self.tenants)

    @property
    def initials(self) -> str:
        """Two letters for a small circle."""
        words = self.name.replace(".", " ").split() or [self.user]
        return (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper()


class Users(Protocol):
    """Knows people and checks that they are who they say."""

    def check(self, user: str, password: str) -> Person | None:
        """The person, if the password is right."""
        ...

    def suggestions(self) -> Iterable[Person]:
        """Whom the sign-in page names: nobody where users are real."""
        ...

    def name_of(self, user: str) -> str:
        """A user's name in full, or the user name."""
        ...

    def known(self) -> Iterable[Person]:
        """Colleagues, for whoever looks for one to hand a task to."""
        ...


class KnownPeople:
    """Colleagues where a provider says who people are: those of ``[duties.people]``, and whoever has signed in since the start.

    Args:
        duties: the project's ``[duties]``.
    """

    def __init__(self, duties: DutiesSection) -> None:
        self._people = {folded(user): Person(user, one.name or _full(user), frozenset(one.groups)) for user, one in duties.people.items()}

    def note(self, person: Person) -> None:
        """Somebody has signed in: the provider's word goes before the project file's."""
        self._people[folded(person.user)] = person

    def check(self, user: str, password: str) -> Person | None:
        """Nobody: there are no passwords here."""
        return None

    def suggestions(self) -> Iterable[Person]:
        """Nobody: the sign-in page is the provider's."""
        return ()

    def name_of(self, user: str) -> str:
        """A user's name in full."""
        person = self._people.get(folded(user))
        return person.name if person is not None else user

    def known(self) -> Iterable[Person]:
        """Everybody who is known."""
        return sorted(self._people.values(), key=lambda person: person.name)


class DevelopmentUsers:
    """People with one password in common, for a machine where only developers are.

    Args:
        people: who there is.
        password: everybody's.
    """

    def __init__(self, people: Iterable[Person], password: str) -> None:
        self._people: Mapping[str, Person] = {folded(one.user): one for one in people}
        self._password = password.encode()

    def check(self, user: str, password: str) -> Person | None:
        """The person, if there is one and the password is right."""
        # Compared in any case, so that the time does not tell which user names there are.
        right = hmac.compare_digest(self._password, password.encode())
        person = self._people.get(folded(user))
        return person if right else None

    def suggestions(self) -> Iterable[Person]:
        """Everybody."""
        return sorted(self._people.values(), key=lambda person: (sorted(person.groups), person.user))

    def name_of(self, user: str) -> str:
        """A user's name in full."""
        person = self._people.get(folded(user))
        return person.name if person is not None else user

    def known(self) -> Iterable[Person]:
        """Everybody."""
        return sorted(self._people.values(), key=lambda person: person.name)


def development_users(section: InboxSection, duties: DutiesSection, password: str, people: Iterable[Any] = ()) -> DevelopmentUsers:
    """The people of a project: those of ``[inbox.users]``, of ``[duties.people]``, and those it refers to.

    Args:
        section: the project's ``[inbox]``.
        duties: the project's ``[duties]``.
        password: everybody's.
        people: further ones, with the attributes ``name`` (the user name) and ``groups``.
    """
    found = {folded(one.name): Person(one.name, _full(one.name), frozenset(one.groups)) for one in people}
    for user, one in duties.people.items():
        known = found.get(folded(user))
        groups = frozenset(one.groups) | (known.groups if known else frozenset[str]())
        found[folded(user)] = Person(user, one.name or _full(user), groups)
    for user, one in section.users.items():
        known = found.get(folded(user))
        groups = frozenset(one.groups) or (known.groups if known else frozenset[str]())
        found[folded(user)] = Person(user, one.name or (known.name if known else _full(user)), groups)
    return DevelopmentUsers(found.values(), password)


def _full(user: str) -> str:
    """``grace.lindqvist`` is most likely Grace Lindqvist."""
    return " ".join(part.capitalize() for part in user.split("@")[0].replace("_", ".").split(".") if part) or user
