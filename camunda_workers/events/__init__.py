"""The event log: every record of the engine once, in order, and everything else derived from it.

`EventLog` keeps records; a `Pump` copies them from a `RecordSource`; the `ReadModel` folds them into what REST searches ask for;
`case_story` tells what happened to one case. Nothing here knows an engine or a worker.
"""

from __future__ import annotations

from camunda_workers.events.log import DEFAULT_FILE, EventLog
from camunda_workers.events.pump import Pump
from camunda_workers.events.read_model import ReadModel
from camunda_workers.events.record import Record, parse_record
from camunda_workers.events.source import Follower, RecordSource
from camunda_workers.events.story import CaseStory, case_story

__all__ = ["DEFAULT_FILE", "CaseStory", "EventLog", "Follower", "Pump", "ReadModel", "Record", "RecordSource", "case_story", "parse_record"]
