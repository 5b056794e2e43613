"""What our own parts say when something of theirs happens: each kind of fact with its own fields, so that those who write and those who read agree.

Decisions about duties and approvals are written by `camunda_workers.tasks`, decisions of AI tasks by `camunda_workers.ai`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from camunda_workers.events.facts import Fact, FactKind


@dataclass(frozen=True, slots=True)
class About:
    """What a fact is about, as far as it is known.

    Attributes:
        business_id: the case.
        process_instance_key: the process instance.
        element_id: the element.
        key: a job, a user task or an element instance.
    """

    business_id: str | None = None
    process_instance_key: int | None = None
    element_id: str | None = None
    key: int | None = None


NOTHING = About()


@dataclass(frozen=True, slots=True)
class WorkerRun:
    """A worker's function ran.

    Attributes:
        job_type: of the job.
        worker: the worker's name as the engine knows it.
        outcome: how it ended.
        seconds: how long it took.
        tries: how many were left, this one included.
        more: ids, names of kinds, numbers.
        message: of a failure or a denial; erasable.
    """

    job_type: str
    worker: str
    outcome: Literal["completed", "failed", "bpmn_error", "denied"]
    seconds: float
    tries: int
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])
    message: str = ""

    def fact(self, about: About, time: datetime | None = None) -> Fact:
        """The fact."""
        value = {
            "jobType": self.job_type,
            "worker": self.worker,
            "outcome": self.outcome,
            "seconds": round(self.seconds, 6),
            "tries": self.tries,
        }
        return _fact(FactKind.WORKER_RUN, {**value, **self.more}, {"message": self.message} if self.message else {}, about, time=time)


@dataclass(frozen=True, slots=True)
class SlaBreach:
    """Something is later than it was promised. Each promise is broken once: saying it again adds nothing.

    Attributes:
        policy: the promise's name.
        due: when it should have been done.
        severity: how bad that is.
        scope: what the promise is about.
        action: what was done about it, an escalation for example.
    """

    policy: str
    due: datetime
    severity: Literal["warning", "breach"] = "breach"
    scope: Literal["case", "process", "element", "task"] = "task"
    action: str | None = None

    def fact(self, about: About, time: datetime | None = None) -> Fact:
        """The fact; ``time`` is when it was noticed."""
        due = self.due.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        value = {"policy": self.policy, "due": due, "severity": self.severity, "scope": self.scope, "action": self.action}
        subject = about.key or about.process_instance_key or about.business_id or "-"
        name = f"sla:{self.policy}:{self.severity}:{about.element_id or '-'}:{subject}:{due}"
        return _fact(FactKind.SLA_BREACH, value, {}, about, id=name, time=time)


@dataclass(frozen=True, slots=True)
class FlagExposure:
    """Somebody or something was shown a variant. Each unit counts once for each flag and variant, however often it is shown.

    Attributes:
        flag: the flag's key.
        variant: which variant.
        unit: what was assigned: a case, an instance; a person only as a pseudonym.
        experiment: the experiment that the flag belongs to.
        reason: why this variant: ``SPLIT``, ``TARGETING_MATCH`` … as OpenFeature says it.
    """

    flag: str
    variant: str
    unit: str
    experiment: str | None = None
    reason: str | None = None

    def fact(self, about: About = NOTHING, time: datetime | None = None) -> Fact:
        """The fact."""
        value = {"flag": self.flag, "variant": self.variant, "unit": self.unit, "experiment": self.experiment, "flagReason": self.reason}
        return _fact(FactKind.FLAG_EXPOSURE, value, {}, about, id=f"flag:{self.flag}:{self.variant}:{self.unit}", time=time)


_RELEASE_INTENTS = {
    "proposed": "PROPOSED",
    "approved": "APPROVED",
    "rejected": "REJECTED",
    "applied": "APPLIED",
    "rolled_back": "ROLLED_BACK",
}


@dataclass(frozen=True, slots=True)
class Release:
    """A step of a change's way into the engine. Each step of a release happens once.

    Attributes:
        release: the release's id.
        step: which step.
        resources: SHA-256 of each resource, by its name.
        engine: where to.
        by: who did it; erasable.
        comment: why; erasable.
    """

    release: str
    step: Literal["proposed", "approved", "rejected", "applied", "rolled_back"]
    resources: Mapping[str, str] = field(default_factory=dict[str, str])
    engine: str | None = None
    by: str = ""
    comment: str = ""

    def fact(self, about: About = NOTHING, time: datetime | None = None) -> Fact:
        """The fact."""
        value = {"release": self.release, "step": self.step, "resources": dict(self.resources), "engine": self.engine}
        content = {name: said for name, said in (("by", self.by), ("comment", self.comment)) if said}
        # Several may approve.
        who = f":{self.by}" if self.step in {"approved", "rejected"} else ""
        name = f"release:{self.release}:{self.step}{who}"
        return _fact(FactKind.RELEASE, value, content, about, id=name, intent=_RELEASE_INTENTS[self.step], time=time)


def _fact(
    kind: FactKind,
    value: Mapping[str, Any],
    content: Mapping[str, Any],
    about: About,
    *,
    id: str | None = None,
    intent: str | None = None,
    time: datetime | None = None,
) -> Fact:
    kept = {name: one for name, one in value.items() if one is not None}
    return Fact(
        kind,
        kept,
        content,
        id=id if id is None else _short(id),
        intent=intent,
        time=time,
        business_id=about.business_id,
        process_instance_key=about.process_instance_key,
        element_id=about.element_id,
        key=about.key,
    )


def _short(name: str) -> str:
    """A fact's own name has at most 200 characters; a longer one is told apart by its hash."""
    if len(name) <= 200:
        return name
    from hashlib import sha256

    return f"{name[:130]}:{sha256(name.encode()).hexdigest()}"
