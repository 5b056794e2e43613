"""Where questions about duties are answered: gathers the facts, decides, records the decision. The service and the listeners ask here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from camunda_workers.clock import Clock, SystemClock
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks.duties.decide import decide
from camunda_workers.tasks.duties.facts import Action, Decision, Deed, Facts, Question
from camunda_workers.tasks.duties.history import CaseHistory, History
from camunda_workers.tasks.duties.identity import Directory, People, folded
from camunda_workers.tasks.duties.sink import Fact, FactSink

if TYPE_CHECKING:
    from camunda_workers.tasks.store import TaskStore


REMEMBERED: Final = timedelta(hours=12)
"""How long the groups of a login count for a listener, where no directory knows the person: somebody who left a group must not keep its rights."""


@dataclass(frozen=True)
class Asked:
    """A question as the service or a listener has it.

    Attributes:
        action: what is to be done.
        user: who gets or has the task.
        fence: the listener's job, or the task; see `History`.
        through: where the question comes from.
        groups: the user's groups, when the one who asks knows them from the identity provider.
        replaced: what the variables were before what is submitted; a listener's are known from the log.
    """

    action: Action
    user: str
    process_id: str
    element_id: str
    task_key: int
    process_instance_key: int
    business_id: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])
    candidate_groups: tuple[str, ...] = ()
    candidate_users: tuple[str, ...] = ()
    behalf: tuple[str, ...] = ()
    fence: int | None = None
    through: Literal["service", "listener", "explain"] = "service"
    groups: frozenset[str] | None = None
    replaced: Mapping[str, Any] | None = None


class DutyDesk:
    """Answers questions about duties.

    Args:
        section: the rules.
        history: who did what.
        store: delegations, absences and approvals.
        sink: where decisions are recorded, beside the store; ``None`` for the store alone.
        directory: knows people's groups; the project file's ``[duties.people]`` when not given.
        clock: the time.
    """

    def __init__(
        self,
        section: DutiesSection,
        history: History,
        store: TaskStore,
        *,
        sink: FactSink | None = None,
        directory: Directory | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.section = section
        self.people = People(section)
        self.store = store
        self._history = history
        self._sink = sink
        self._directory = directory or self.people
        self._clock = clock or SystemClock()

    async def ask(self, asked: Asked) -> Decision:
        """Decide without leaving a trace (``duties explain``)."""
        decision, _ = await self._decide(asked)
        return decision

    async def decide(self, asked: Asked) -> Decision:
        """Decide, and record the decision with its reasons; an attempt that counts as one of several approvals is noted as such.

        Raises:
            LogIsBehind: who did what is not known in time.
        """
        decision, question = await self._decide(asked)
        now = self._clock.now()
        if asked.through == "service" and asked.groups is not None:
            await self.store.ledger.note_groups(self.people.one(asked.user), asked.groups, now)
        if decision.vote is not None:
            await self.store.ledger.vote(decision.vote, asked.process_instance_key, now)
        data = {
            **decision.to_json(),
            "action": asked.action,
            "user": asked.user,
            "person": self.people.one(asked.user),
            "behalf": list(question.behalf),
            "caller": question.actor,
            "elementId": asked.element_id,
            "processId": asked.process_id,
            "through": asked.through,
        }
        await self.record(Fact("duty.decided", now, asked.user, data, asked.task_key, asked.process_instance_key, asked.business_id))
        return decision

    def now(self) -> datetime:
        """The time by the desk's clock."""
        return self._clock.now()

    async def record(self, fact: Fact) -> None:
        """Keep a fact in the store, and where the facts of this installation go besides."""
        await self.store.ledger.record(fact)
        if self._sink is not None:
            await self._sink.record(fact)

    async def groups_of(self, user: str) -> frozenset[str] | None:
        """Somebody's groups, as rules go by them where no login says them; ``None`` where nobody knows them."""
        known = await self._directory.groups_of(user)
        if known is not None:
            return known
        return await self.store.ledger.groups_of(self.people.one(user), self._clock.now() - REMEMBERED)

    async def substitute_for(self, user: str, tenant: str | None = None) -> str | None:
        """Who does somebody's tasks now; ``None`` for somebody who is there, or where tasks are not given to others.

        Args:
            user: who might be away.
            tenant: whose task it is about: what was entered for other tenants does not count.
        """
        if not self.section.delegation:
            return None
        now = self._clock.now()
        seen = {self.people.one(user)}
        found: str | None = None
        while substitute := await self.store.delegations.substitute_of(self.people.one(found or user), now, tenant):
            if self.people.one(substitute) in seen:
                return None  # everybody in the circle is away: the task stays where it is
            seen.add(self.people.one(substitute))
            found = substitute
        return found

    async def _decide(self, asked: Asked) -> tuple[Decision, Question]:
        history = CaseHistory((asked.process_instance_key,), ())
        if self.section.any_rules:
            history = await self._history.of(
                asked.process_instance_key, business_id=asked.business_id, task_key=asked.task_key, fence=asked.fence
            )
        delegations = await self.store.delegations.of({asked.task_key, *(deed.task_key for deed in history.deeds)})
        partners: dict[int, list[str]] = {}
        for one in delegations:
            partners.setdefault(one.task_key, []).extend((one.owner, one.delegate))
        deeds = tuple(_with(deed, partners.get(deed.task_key, ()), self.people) for deed in history.deeds)
        groups = asked.groups if asked.groups is not None else await self.groups_of(asked.user)
        question = Question(
            action=asked.action,
            user=asked.user,
            process_id=asked.process_id,
            element_id=asked.element_id,
            task_key=asked.task_key,
            behalf=tuple(
                dict.fromkeys(name for name in (*asked.behalf, *partners.get(asked.task_key, ())) if not self.people.same(name, asked.user))
            ),
            actor=history.actor if asked.through == "listener" else None,
            candidate_groups=asked.candidate_groups,
            candidate_users=asked.candidate_users,
        )
        votes = tuple(await self.store.ledger.votes(history.process_instance_keys))
        replaced = history.replaced if asked.replaced is None else (asked.replaced,)
        facts = Facts(deeds, votes, asked.variables, groups, replaced)
        return decide(self.section, question, facts, self.people), question


def _with(deed: Deed, partners: tuple[str, ...] | list[str], people: People) -> Deed:
    services_out = [name for name in deed.people if not people.is_service(name)]
    everybody = tuple(dict.fromkeys((*services_out, *partners)))
    # A program alone is nobody: whom it acted for is not known.
    known = tuple(name for name in everybody if folded(name))
    return replace(deed, people=known or ("",))
