"""Tasks in other hands: assign, delegate and hand back, and everything to a substitute while somebody is away."""

from __future__ import annotations

from datetime import datetime

from camunda_workers.client import UserTask
from camunda_workers.errors import InvalidArgument, InvalidState, PermissionDenied
from camunda_workers.tasks.caller import Caller
from camunda_workers.tasks.duties.facts import Decision, Reason
from camunda_workers.tasks.duties.identity import folded
from camunda_workers.tasks.errors import DutyDenied, TaskTaken
from camunda_workers.tasks.store.delegations import Absence, Kind
from camunda_workers.tasks.work import REFUSALS, TaskWork


class TaskHanding(TaskWork):
    """Give tasks to others; the rules of ``[duties]`` hold for whoever gets one, and for whom they act."""

    async def assign(self, caller: Caller, key: int, to: str, *, seen: str | None = None) -> UserTask:
        """Give a task to somebody for good.

        Args:
            caller: who does it: whoever has the task, somebody who may work on it while nobody has it, or a supervisor.
            key: the task.
            to: who gets it. Somebody who is away is substituted for.
            seen: who had it when the caller looked (``None``: nobody).

        Raises:
            TaskTaken: somebody else has it meanwhile.
            DutyDenied: a rule says no.
            PermissionDenied: the caller cannot give this task away.
        """
        task = await self._open(caller, key)
        if not folded(to):
            raise InvalidArgument("to whom? To give a task back to its group, unclaim it")
        supervises = await self._supervises(caller)
        if task.assignee is not None and not caller.is_(task.assignee) and (not supervises or task.assignee != seen):
            raise TaskTaken(key, task.assignee)
        if task.assignee is None and not supervises and not await self._may_work(caller, task):
            raise PermissionDenied(f"task {key} is for {', '.join(task.candidate_groups) or 'others'}")
        delegation = await self._store.delegations.open_one(key)
        variables = await self._variables(task)
        substitute = await self._desk.substitute_for(to, task.tenant_id)
        target, behalf = (substitute, (to,)) if substitute is not None else (to, ())
        groups = caller.vouched_groups if caller.is_(target) else None
        await self._allow(self._asked("assign", target, task, variables, behalf=behalf, groups=groups))
        if substitute is not None:
            await self._hand(caller, task, to, target, "SUBSTITUTED", "", override=True)
        else:
            try:
                await self._client.assign_user_task(key, to, allow_override=task.assignee is not None)
            except REFUSALS as error:
                raise await self._why(caller, key, error) from error
        if delegation is not None:
            await self._store.delegations.settle(delegation.id, "WITHDRAWN", self._clock.now())
        await self._record("task.assigned", caller, task, to=target, instead_of=to if substitute else None)
        if not caller.is_(target):
            await self._tell("assigned", target, task, f"{target}:{self._clock.now():%Y%m%d%H%M}", by=caller.user)
        return await self._settled(caller, key, target)

    async def delegate(self, caller: Caller, key: int, to: str, *, note: str = "") -> UserTask:
        """Ask somebody to work on a task of the caller's; it stays the caller's and comes back.

        Raises:
            DutyDenied: a rule says no, for the delegate or because of whom they would act for.
            InvalidState: it is out already; a delegate cannot delegate on.
        """
        task = await self._mine(caller, key)
        if caller.is_(to) or not folded(to):
            raise InvalidArgument("a task is delegated to somebody else")
        if not self._desk.section.delegation:
            raise DutyDenied(Decision(False, (Reason("delegation", "delegation", False, "tasks may not be delegated here"),)))
        if (out := await self._store.delegations.open_one(key)) is not None:
            raise InvalidState(f"task {key} is {out.owner}'s and out to {out.delegate} already")
        if (away := await self._desk.substitute_for(to, task.tenant_id)) is not None:
            raise InvalidState(f"{to} is away and {away} stands in: delegate to {away}, or to somebody else")
        variables = await self._variables(task)
        await self._allow(self._asked("assign", to, task, variables, behalf=(caller.user,)))
        await self._hand(caller, task, caller.user, to, "DELEGATED", note, override=True)
        await self._record("task.delegated", caller, task, to=to, note=note)
        await self._tell("delegated", to, task, f"{to}:{self._clock.now():%Y%m%d%H%M}", by=caller.user, note=note)
        return await self._settled(caller, key, to)

    async def resolve(self, caller: Caller, key: int, *, note: str = "") -> UserTask:
        """Hand a delegated task back to its owner, with what was entered so far as the owner's draft.

        Raises:
            InvalidState: it was not delegated to the caller.
        """
        task = await self._mine(caller, key)
        out = await self._store.delegations.open_one(key)
        if out is None or out.kind != "DELEGATED" or not caller.is_(out.delegate):
            raise InvalidState(f"task {key} was not delegated to you, so it cannot be handed back")
        # The owner acts for the delegate now as much as the other way round: the rules look at both.
        await self._allow(self._asked("assign", out.owner, task, await self._variables(task), behalf=(caller.user,)))
        try:
            await self._client.assign_user_task(key, out.owner, action="resolve")
        except REFUSALS as error:
            raise await self._why(caller, key, error) from error
        now = self._clock.now()
        await self._store.delegations.settle(out.id, "RESOLVED", now)
        if (draft := await self._store.drafts.get(key, caller.user)) is not None:
            await self._store.drafts.save(key, out.owner, draft.variables, now)
        if note.strip():
            await self._store.comments.add(key, task.process_instance_key, caller.user, note, now)
        await self._record("task.resolved", caller, task, to=out.owner, note=note)
        await self._tell("resolved", out.owner, task, f"{out.id}", by=caller.user, note=note)
        return await self._settled(caller, key, out.owner)

    async def take_over(self, caller: Caller, key: int) -> UserTask:
        """Take a task of somebody who is away and for whom the caller stands in.

        Raises:
            PermissionDenied: the caller does not stand in for whoever has it.
            DutyDenied: a rule says no, for the caller or because of whom they would act for.
        """
        task = await self._open(caller, key)
        owner = task.assignee
        if owner is None or not caller.is_(await self._desk.substitute_for(owner, task.tenant_id)):
            raise PermissionDenied(f"task {key} is not of somebody you stand in for now")
        await self._allow(
            self._asked("assign", caller.user, task, await self._variables(task), behalf=(owner,), groups=caller.vouched_groups)
        )
        await self._hand(caller, task, owner, caller.user, "SUBSTITUTED", "", override=True)
        await self._record("task.taken-over", caller, task, of=owner)
        return await self._settled(caller, key, caller.user)

    async def absent(self, caller: Caller, person: str, substitute: str, start: datetime, end: datetime, *, note: str = "") -> int:
        """Note that somebody is away and who does their tasks meanwhile: those of the caller's tenants.

        Args:
            caller: the person, or a supervisor.
            person: who is away.
            substitute: who stands in; only for tasks that the rules let them have, for the person they act for.
            start: from when.
            end: until when, not longer than ``longest_absence``.
            note: for whoever reads the list.
        """
        if not caller.is_(person) and not await self._supervises(caller):
            raise PermissionDenied("people enter their own absences; supervisors those of others")
        if not self._desk.section.delegation:
            raise PermissionDenied("tasks may not be given to others here (delegation = false in [duties])")
        if self._desk.people.same(person, substitute) or not folded(substitute):
            raise InvalidArgument("a substitute is somebody else")
        longest = self._desk.section.longest_absence
        if end - start > longest:
            raise InvalidArgument(f"an absence is {longest.days} days at most: a longer one is a case for another role")
        # Under one name, so that no account of the person is forgotten.
        whose = self._desk.people.one(person)
        number = await self._store.delegations.add_absence(
            whose, substitute, start, end, note=note, entered_by=caller.user, tenants=caller.tenants
        )
        about = Absence(number, person, substitute, start, end, note, caller.user, caller.tenants)
        await self._note_absence("person.absent", caller, about)
        return number

    async def back(self, caller: Caller, absence_id: int) -> None:
        """End an absence early."""
        one = await self._store.delegations.absence(absence_id)
        if (
            one is None
            or not self._concerns(caller, one)
            or not (self._desk.people.same(caller.user, one.person) or await self._supervises(caller))
        ):
            raise PermissionDenied(f"absence {absence_id} is not yours to end")
        await self._store.delegations.cancel_absence(absence_id, self._clock.now())
        await self._note_absence("person.back", caller, one)

    async def absences(self, caller: Caller) -> list[Absence]:
        """Absences that have not ended: the caller's and those in which the caller stands in; for a supervisor, all of their tenants."""
        about = None if await self._supervises(caller) else self._desk.people.one(caller.user)
        found = await self._store.delegations.absences(self._clock.now(), about=about)
        return [one for one in found if self._concerns(caller, one)]

    def _concerns(self, caller: Caller, one: Absence) -> bool:
        """Whether an absence is of the caller's tenants. Of one that was entered for all of them, only who is in it hears within a tenant."""
        if one.tenants is None and caller.tenants is not None:
            return self._desk.people.among(caller.user, (one.person, one.substitute))
        return one.is_about(caller.tenants)

    async def _hand(self, caller: Caller, task: UserTask, owner: str, to: str, kind: Kind, note: str, *, override: bool) -> None:
        """Have the engine assign a task to somebody who acts for the owner. Written down before, because the listeners must know for whom."""
        number = await self._store.delegations.begin(task.key, owner, to, self._clock.now(), kind=kind, note=note)
        try:
            await self._client.assign_user_task(task.key, to, allow_override=override, action="delegate")
        except BaseException as error:
            await self._store.delegations.settle(number, "WITHDRAWN", self._clock.now())
            if isinstance(error, REFUSALS):
                raise await self._why(caller, task.key, error) from error
            raise
        await self._store.delegations.settle(number, "OPEN", self._clock.now())

    async def _note_absence(self, kind: str, caller: Caller, one: Absence) -> None:
        from camunda_workers.tasks.duties.sink import Fact

        data = {"person": one.person, "substitute": one.substitute, "start": one.starts_at.isoformat(), "end": one.ends_at.isoformat()}
        of = {"tenants": sorted(one.tenants)} if one.tenants is not None else {}
        await self._desk.record(Fact(kind, self._clock.now(), caller.user, {**data, **of}))
