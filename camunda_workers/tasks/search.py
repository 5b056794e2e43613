"""Finds open tasks by words in what is shown of them, however many are open.

A word may be anywhere in a name, a case, a title or a group, so no index over beginnings of words finds it, and both databases would have to
look at every row. Here the texts of all open tasks are kept in memory (some 200 bytes each) and looked through there, which takes about ten
milliseconds for 100,000; they follow the log. Who may see what is found, in which order and on which page, is the database's business as in
every list.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection

from camunda_workers.client.business_id import business_id_of
from camunda_workers.events.log import FACTS_PARTITION
from camunda_workers.events.projections import instances, user_tasks, work
from camunda_workers.events.schema import IS_ERASURE
from camunda_workers.project_people import InboxSection
from camunda_workers.tasks.looks import searched
from camunda_workers.tasks.sensitive import names_shown, title_of
from camunda_workers.tasks.shown import values_of
from camunda_workers.tasks.statements import EVERYTHING, TASKS, among, one, rows

MOST_FOLLOWED: Final = 50_000
"""Records. What is further behind reads everything anew, which takes no longer."""

_FOLDED_ANEW: Final = 60.0
_AT_ONCE: Final = 2_000
_A_LITTLE: Final = 100
_PAUSE: Final = 0.01
"""Seconds between a little and the next, when nobody waits."""
_ROWS: Final = (
    f"SELECT {TASKS}.key, {TASKS}.process_instance_key, {TASKS}.bpmn_process_id, {TASKS}.element_id, element_names.name, "
    f"process_definitions.name, process_instances.business_id, process_instances.tags, {TASKS}.assignee, {TASKS}.candidate_groups, "
    f"{TASKS}.candidate_users, (SELECT form_id FROM forms WHERE forms.key = {TASKS}.form_key) FROM {EVERYTHING} "
    f"WHERE {TASKS}.ended_at IS NULL"
)
_FROM: Final = ", ".join(f"'{one.name}'" for one in (instances.PROJECTION, user_tasks.PROJECTION, work.VARIABLES))
_HEADS: Final = (
    f"SELECT partition, min(position) FROM projection_positions WHERE partition <> {FACTS_PARTITION} AND name IN ({_FROM}) "
    "GROUP BY partition"
)
_ERASED: Final = f"SELECT max(seq) FROM records WHERE {IS_ERASURE}"
_SINCE: Final = "FROM records WHERE partition = :partition AND position > :begin AND position <= :end"
_CHANGED: Final = (
    f"SELECT {TASKS}.key FROM {TASKS} WHERE {TASKS}.key IN (SELECT key {_SINCE} AND value_type = 'USER_TASK') UNION "
    f"SELECT {TASKS}.key FROM {TASKS} WHERE {TASKS}.ended_at IS NULL AND {TASKS}.process_instance_key IN "
    f"(SELECT process_instance_key {_SINCE} AND value_type = 'VARIABLE' AND process_instance_key IS NOT NULL)"
)


class Matches:
    """The tasks in whose text every word is; looked through no further than somebody asks."""

    def __init__(self, texts: Mapping[int, str], words: Collection[str], lock: threading.Lock) -> None:
        self._texts = texts
        # The longest word first: it leaves the fewest for the others.
        self._words = sorted(words, key=len, reverse=True)
        self._lock = lock

    def first(self, most: int) -> list[int]:
        """The keys of so many, in no order; of all where there are no more."""
        return list(islice(self._all(), most)) if self._words else []

    def all(self) -> list[int]:
        """The keys of all."""
        return self.first(sys.maxsize)

    def has(self, key: int) -> bool:
        """Whether a task is one of them."""
        text = self._texts.get(key)
        return text is not None and all(word in text for word in self._words)

    def _all(self) -> Iterator[int]:
        first, *others = self._words
        with self._lock:
            if not others:
                yield from (key for key, text in self._texts.items() if first in text)
            else:
                yield from (key for key, text in self._texts.items() if first in text and all(word in text for word in others))


class TaskTexts:
    """The texts of all open tasks.

    Args:
        shows: what of a process's cases is a title, and which cases are sensitive: of those the title is not searched.
    """

    def __init__(self, shows: InboxSection) -> None:
        self.shows = shows
        self._names = names_shown(shows.processes)
        self._texts: dict[int, str] = {}
        self._at: dict[int, int] = {}
        self._erased: int | None = None
        self._doubtful: float | None = None
        self._lock = threading.Lock()
        self._awaited = threading.Event()

    def find(self, connection: Connection, words: Collection[str]) -> Matches:
        """The open tasks in whose text every word is, as of this connection's moment or a later one.

        Args:
            connection: in a transaction; the read model has what is to be found.
            words: as `looks.words_of` has them.
        """
        self._awaited.set()
        with self._lock:
            self._follow(connection)
        return Matches(self._texts, words, self._lock)

    def prepare(self, connection: Connection) -> None:
        """Read the texts, so that the first search does not have to: a little at a time, for lists are read meanwhile, until somebody searches."""
        with self._lock:
            self._follow(connection, unhurried=True)

    def _follow(self, connection: Connection, *, unhurried: bool = False) -> None:
        heads: dict[int, int] = dict(rows(connection, _HEADS, {}))
        erased: int | None = one(connection, _ERASED, {})
        behind = {partition: position for partition, position in heads.items() if position > self._at.get(partition, 0)}
        far = sum(position - self._at.get(partition, 0) for partition, position in behind.items()) > MOST_FOLLOWED
        # Somebody who began to read a moment earlier sees a little less, and that is no reason; a read model that is folded anew begins at nothing.
        rebuilt = any(heads.get(partition, 0) < position - MOST_FOLLOWED for partition, position in self._at.items())
        if not self._at or far or rebuilt or erased != self._erased or self._is_doubtful():
            if erased != self._erased:
                # The read model is folded anew after that, and nothing says when it has been.
                self._doubtful = time.monotonic() + _FOLDED_ANEW
            self._texts = dict(self._read(connection, rows(connection, _ROWS, {}), unhurried=unhurried))
            self._at, self._erased = heads, erased
            return
        for partition, position in behind.items():
            since = {"partition": partition, "begin": self._at.get(partition, 0), "end": position}
            changed: Sequence[int] = [row[0] for row in rows(connection, _CHANGED, since)]
            for begin in range(0, len(changed), _AT_ONCE):
                some = changed[begin : begin + _AT_ONCE]
                asked = among(connection, f"{TASKS}.key", "keys", some)
                now = dict(self._read(connection, rows(connection, f"{_ROWS} AND {asked.sql}", asked.values)))
                for key in some:
                    if key in now:
                        self._texts[key] = now[key]
                    else:
                        self._texts.pop(key, None)
            self._at[partition] = position

    def _is_doubtful(self) -> bool:
        """Whether it is time to look once more what was left of erased cases."""
        if self._doubtful is None or time.monotonic() < self._doubtful:
            return False
        self._doubtful = None
        return True

    def _read(self, connection: Connection, found: Sequence[tuple[Any, ...]], *, unhurried: bool = False) -> Iterable[tuple[int, str]]:
        begin = 0
        while begin < len(found):
            slowly = unhurried and not self._awaited.wait(_PAUSE)
            some = found[begin : begin + (_A_LITTLE if slowly else _AT_ONCE)]
            begin += len(some)
            values = values_of(connection, sorted({row[1] for row in some if row[1]}), self._names)
            for row in some:
                yield row[0], self._text(row, values.get(row[1], {}))

    def _text(self, row: Sequence[Any], values: dict[str, Any]) -> str:
        key, _, process_id, element_id, name, process, business_id, tags, assignee, groups, users, form_id = row
        title = title_of(self.shows, process_id or "", element_id or "", values, form_id)
        case = business_id or business_id_of(json.loads(tags or "[]"))
        texts = (name, element_id, process, process_id, case, title, assignee, str(key))
        return searched(*texts, lists=(json.loads(groups or "[]"), json.loads(users or "[]")))
