"""Who is who: one person behind several spellings and several accounts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, Protocol

from camunda_workers.errors import ConfigurationError
from camunda_workers.project_people import DutiesSection, DutyPerson

LONGEST_KEPT: Final = 200
"""Characters; of longer names, which no directory has, the spelling is found anew each time."""


def folded(name: str) -> str:
    """One spelling for one name: "Grace.L ", "grace.l" and one with an invisible character in it are no three people."""
    return _kept(name) if len(name) <= LONGEST_KEPT else _folded(name)


def _folded(name: str) -> str:
    text = name
    while True:
        # Folding one thing can bring forth another (a letter under an invisible one): until nothing changes.
        plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        plain = "".join(letter for letter in plain if unicodedata.category(letter) not in ("Cf", "Cc")).strip()
        if plain == text:
            return plain
        text = plain


# A list compares a hundred names with the reader's.
_kept = lru_cache(maxsize=16_384)(_folded)


_LIKE: Final = str.maketrans(
    "авеһіјкмноԛрсѕтухԝԁӏ" + "αβεηικνορτυχζμ" + "օսհոց" + "ıɑɡȷ",
    "abehijkmhoqpcstyxwdl" + "abenikvoptuxzm" + "ouhng" + "iagj",
)
"""Letters of other alphabets, as they look among ours."""

_ALPHABETS: Final = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"})


def look(name: str) -> str:
    """How a name looks to a person: what is written with another alphabet's letters looks the same and is not."""
    return folded(name).translate(_LIKE)


def mixes_alphabets(name: str) -> bool:
    """Whether a name has letters of alphabets that are taken for each other."""
    if name.isascii():
        return False
    return len({unicodedata.name(letter, "").partition(" ")[0] for letter in folded(name) if letter.isalpha()} & _ALPHABETS) > 1


class Directory(Protocol):
    """Knows people's groups: the identity provider, or what the project file says."""

    async def groups_of(self, user: str) -> frozenset[str] | None:
        """The user's groups; ``None`` where they are not known."""
        ...


class People:
    """The people of ``[duties.people]``; whoever is not in there is known by the user name alone.

    Raises:
        ConfigurationError: one account belongs to two people.
    """

    def __init__(self, section: DutiesSection) -> None:
        self._people: Mapping[str, DutyPerson] = {folded(name): person for name, person in section.people.items()}
        self._names = {folded(name): name for name in section.people}
        self._services = frozenset(map(folded, section.service_accounts))
        self._main: dict[str, str] = {}
        self._looks: dict[str, str] = {}
        for name, person in section.people.items():
            for account in (name, *person.aliases):
                known = self._main.setdefault(folded(account), folded(name))
                if known != folded(name):
                    raise ConfigurationError(
                        f"[duties.people]: the account '{account}' belongs to two people, {self._names[known]} and {name}"
                    )
                self._looks[look(account)] = account

    def looks_like(self, account: str, others: Iterable[str]) -> str | None:
        """Whom an account looks like and is not: of the project file's people, or of these."""
        seen = look(account)
        known = [self._looks[seen]] if seen in self._looks else []
        return next((one for one in (*known, *others) if look(one) == seen and not self.same(one, account)), None)

    def one(self, account: str) -> str:
        """The one name of the person behind an account; empty for nobody."""
        name = folded(account)
        return self._main.get(name, name)

    def same(self, one: str, other: str) -> bool:
        """Whether two accounts are one person's."""
        return self.one(one) == self.one(other)

    def among(self, account: str, others: Iterable[str]) -> bool:
        """Whether the person behind an account is behind one of these."""
        return self.one(account) in {self.one(other) for other in others}

    def is_service(self, account: str) -> bool:
        """Whether this is a program's account, which acts for whoever it says."""
        return folded(account) in self._services

    def known_as(self, account: str) -> frozenset[str]:
        """Everything the person might be called in a case: accounts, email address, name in full."""
        main = self.one(account)
        person = self._people.get(main)
        if person is None:
            return frozenset({main})
        names = {main, *map(folded, person.aliases), folded(person.email), " ".join(folded(person.name).split())}
        return frozenset(names - {""})

    def accounts_of(self, account: str) -> frozenset[str]:
        """All accounts of the person, spelt as the project file spells them, and as asked."""
        main = self.one(account)
        person = self._people.get(main)
        return frozenset({account, self._names.get(main, account), *(person.aliases if person is not None else ())})

    def email_of(self, account: str) -> str | None:
        """Where to write to the person."""
        person = self._people.get(self.one(account))
        return person.email or None if person is not None else None

    def with_email(self, address: str) -> str | None:
        """Whose address of email this is; ``None`` where it is nobody's, or more than one person's."""
        found = [name for name, person in self._people.items() if address and person.email.strip().casefold() == address.casefold()]
        return self._names[found[0]] if len(found) == 1 else None

    async def groups_of(self, user: str) -> frozenset[str] | None:
        """The person's groups; ``None`` for somebody who is not in the project file."""
        person = self._people.get(self.one(user))
        return frozenset(person.groups) if person is not None else None
