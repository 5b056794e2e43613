"""The event log: every record of the engine once, in order, provable, and everything else derived from it.

`EventLog` keeps records; a `Pump` copies them from a `RecordSource`; the `ReadModel` folds them into what REST searches ask for;
`case_story` tells what happened to one case; `Facts` adds what the engine does not know. Nothing here knows an engine or a worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from camunda_workers.lazy import lazily

if TYPE_CHECKING:
    from camunda_workers.events.facts import Fact, FactKind, Facts
    from camunda_workers.events.log import DEFAULT_FILE, EventLog
    from camunda_workers.events.pump import Pump
    from camunda_workers.events.read_model import ReadModel
    from camunda_workers.events.record import Record, parse_record
    from camunda_workers.events.source import Follower, RecordSource
    from camunda_workers.events.story import CaseStory, case_story
    from camunda_workers.events.subscription import parse_filter, subscribe

_WHERE = {
    "CaseStory": "story",
    "DEFAULT_FILE": "log",
    "EventLog": "log",
    "Fact": "facts",
    "FactKind": "facts",
    "Facts": "facts",
    "Follower": "source",
    "Pump": "pump",
    "ReadModel": "read_model",
    "Record": "record",
    "RecordSource": "source",
    "case_story": "story",
    "parse_filter": "subscription",
    "parse_record": "record",
    "subscribe": "subscription",
}

__all__ = [
    "DEFAULT_FILE",
    "CaseStory",
    "EventLog",
    "Fact",
    "FactKind",
    "Facts",
    "Follower",
    "Pump",
    "ReadModel",
    "Record",
    "RecordSource",
    "case_story",
    "parse_filter",
    "parse_record",
    "subscribe",
]


__getattr__ = lazily(__name__, _WHERE)
