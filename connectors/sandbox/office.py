"""The claims office at work: scripted people acting through the public API, as Tasklist, a claimants' portal or a script would.

What they decide is in ``people.py``. Here they look for tasks, take them, complete them, send documents and withdraw claims, each in their own
time. Nothing here knows the engine, the event log or the data set's labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from camunda_workers.client import Client, UserTask
from camunda_workers.errors import InvalidState, NotFound
from connectors.claims import Claim, Policy
from connectors.documents.client import DocumentsClient, Upload
from connectors.errors import ConnectorError
from connectors.payments.client import PaymentOrder, PaymentsClient
from connectors.sandbox.agenda import Agenda, Happening
from connectors.sandbox.people import STAFF, Attempt, Person, TaskView, approve, assess, claimant, papers, who_takes, working_time

PROCESS_ID: Final = "claim"
PAGE: Final = 100
APPROVAL_RECORDED: Final = "your approval is recorded"
"""How the listeners' answer begins to whoever is one of several to approve."""


class Office:
    """Everybody who deals with the claims.

    Args:
        client: the way to the engine; nothing else is used of it than what any program could use.
        agenda: where people's plans go.
        documents: the claimants' way to send papers.
        payments: the ledger: clerks book in it, claimants see their money there.
        staff: the caseworkers.
        note: told in one line what people do.
    """

    def __init__(
        self,
        client: Client,
        agenda: Agenda,
        *,
        documents: DocumentsClient,
        payments: PaymentsClient,
        staff: Sequence[Person] = STAFF,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.denials: list[str] = []
        """What people were not allowed to do, with the reason they were given."""
        self.paid_by_hand = 0
        self._client = client
        self._agenda = agenda
        self._documents = documents
        self._payments = payments
        self._staff = staff
        self._note = note
        self._seen: set[int] = set()
        self._visits: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._assessed: defaultdict[str, list[str]] = defaultdict(list)
        self._watching: dict[str, timedelta] = {}

    def claimant_of(self, claim: Claim, at: datetime) -> None:
        """A claim was reported: from now on its claimant lives a life, and may withdraw it."""
        habits = claimant(claim.claim_id)
        if habits.withdraws == "early":
            self._agenda.plan(at + habits.withdraws_after, self._withdrawal(claim.claim_id))
        elif habits.withdraws == "paid":
            self._watching[claim.claim_id] = habits.withdraws_after

    async def look(self, now: datetime) -> int:
        """Everybody looks for what is new; returns how many new tasks were seen.

        Reads the open tasks page by page, because a list that is cut off would leave somebody's claim lying for ever.
        """
        await self._look_at_accounts(now)
        new: list[UserTask] = []
        begin = 0
        while True:
            page = await self._client.search_user_tasks(
                {"state": "CREATED", "processDefinitionId": PROCESS_ID},
                sort=[{"field": "creationDate", "order": "ASC"}],
                page={"from": begin, "limit": PAGE},
            )
            new += [task for task in page if task.user_task_key not in self._seen]
            begin += len(page)
            if len(page) < PAGE:
                break
        for task in new:
            self._seen.add(task.user_task_key)
            view = await self._view(task)
            self._plan(task, view, task.creation_date or now, ())
        return len(new)

    async def _view(self, task: UserTask) -> TaskView:
        variables = await self._variables(task)
        claim = Claim.model_validate(variables["claim"])
        self._visits[claim.claim_id, task.element_id] += 1
        fraud: Mapping[str, Any] = variables.get("fraud") or {}
        triage: Mapping[str, Any] = variables.get("triage") or {}
        decision: Mapping[str, Any] = variables.get("decision") or {}
        return TaskView(
            element_id=task.element_id,
            claim=claim,
            policy=Policy.model_validate(variables["policy"]),
            visit=self._visits[claim.claim_id, task.element_id],
            band=fraud.get("band"),
            route=triage.get("route"),
            documents=bool(variables.get("documents")),
            assessed_by=tuple(self._assessed[claim.claim_id]),
            amount=decision.get("amount"),
        )

    async def _variables(self, task: UserTask) -> dict[str, Any]:
        found = await self._client.search_variables(
            {"processInstanceKey": str(task.process_instance_key)}, page={"limit": PAGE}, truncate=False
        )
        return {variable.name: variable.parsed for variable in found if variable.scope_key == task.process_instance_key}

    def _plan(self, task: UserTask, view: TaskView, at: datetime, denied: tuple[str, ...]) -> None:
        for group in task.candidate_groups:
            attempt = who_takes(view, group, at, self._staff, not_again=denied)
            if attempt is not None:
                self._agenda.plan(attempt.take_at, self._taking(task, view, attempt, denied))
                return
        raise LookupError(
            f"nobody may take '{view.element_id}' of {view.claim.claim_id} (groups {task.candidate_groups}, denied: {denied})"
        )

    def _taking(self, task: UserTask, view: TaskView, attempt: Attempt, denied: tuple[str, ...]) -> Happening:
        async def take(at: datetime) -> None:
            name = attempt.person.name
            try:
                await self._client.assign_user_task(task.user_task_key, name)
            except (InvalidState, NotFound) as refusal:
                if not await self._still_there(task):
                    return
                self.denials.append(str(refusal))
                self._note(f"{name} may not take '{view.element_id}' of {view.claim.claim_id}: {_reason(refusal)}")
                self._plan(task, view, at, (*denied, name))
                return
            self._agenda.plan(max(attempt.done_at, at), self._completing(task, view, attempt.person, denied))

        return take

    def _completing(self, task: UserTask, view: TaskView, person: Person, denied: tuple[str, ...]) -> Happening:
        async def complete(at: datetime) -> None:
            claim_id = view.claim.claim_id
            try:
                variables = await self._filled_in(task, view, person, at)
                await self._client.complete_user_task(task.user_task_key, variables)
            except ConnectorError:
                # The ledger is still out of order: try again after a while, like anybody would. The key keeps it from being paid twice.
                self._agenda.plan(working_time(at, 2, weekends=person.weekends), self._completing(task, view, person, denied))
                return
            except (InvalidState, NotFound) as refusal:
                if not await self._still_there(task):
                    return
                if APPROVAL_RECORDED not in str(refusal):
                    raise
                # One approval of two: back to the group, where somebody else finds it.
                await self._client.unassign_user_task(task.user_task_key)
                self._note(f"{person.name} approved {claim_id}, which needs a second person")
                self._plan(task, view, at, (*denied, person.name))
                return
            said = next(iter(variables.values())).get("outcome", "done")
            self._note(f"{person.name} completed '{view.element_id}' of {claim_id}: {said}")
            if view.element_id == "assess-claim":
                self._assessed[claim_id].append(person.name)
                if said == "request_documents":
                    self._agenda.plan(at + timedelta(minutes=10), self._letter(view.claim))

        return complete

    async def _filled_in(self, task: UserTask, view: TaskView, person: Person, at: datetime) -> dict[str, Any]:
        match view.element_id:
            case "assess-claim":
                return {"assessment": assess(person, view)}
            case "approve-payment":
                return {"approval": approve(person, view)}
            case "pay-by-hand":
                return {"payment": await self._pay_by_hand(task, view, at)}
            case other:
                raise LookupError(f"nobody here knows how to do '{other}'")

    async def _pay_by_hand(self, task: UserTask, view: TaskView, at: datetime) -> dict[str, Any]:
        problem: Mapping[str, Any] = (await self._variables(task)).get("payment_problem") or {}
        key = problem.get("idempotency_key") or f"by-hand:{task.user_task_key}"
        order = PaymentOrder(claim_id=view.claim.claim_id, payee=view.claim.claimant.name, amount=view.amount or 0, requested_at=at)
        payment = await self._payments.pay(order, key=key)
        self.paid_by_hand += 1
        return payment.model_dump(mode="json")

    async def _still_there(self, task: UserTask) -> bool:
        try:
            return (await self._client.get_user_task(task.user_task_key)).state == "CREATED"
        except NotFound:
            return False

    def _letter(self, claim: Claim) -> Happening:
        async def read(at: datetime) -> None:
            after = claimant(claim.claim_id).answers_after
            if after is not None:
                self._agenda.plan(at + after, self._answer(claim))

        return read

    def _answer(self, claim: Claim) -> Happening:
        async def send(at: datetime) -> None:
            try:
                wanted = [what for request in await self._documents.requests(claim.claim_id) for what in request.wanted]
                for name, text in papers(claim, wanted).items():
                    upload = Upload(claim_id=claim.claim_id, name=name, media_type="text/plain", text=text, received_at=at)
                    await self._documents.upload(upload, key=f"{claim.claim_id}:{name}")
            except ConnectorError:
                self._agenda.plan(at + timedelta(hours=1), self._answer(claim))
                return
            await self._client.publish_message("documents-received", claim.claim_id)
            self._note(f"{claim.claimant.name} sent documents for {claim.claim_id}")

        return send

    async def _look_at_accounts(self, now: datetime) -> None:
        for claim_id, after in list(self._watching.items()):
            try:
                if await self._payments.for_claim(claim_id):
                    del self._watching[claim_id]
                    self._agenda.plan(now + after, self._withdrawal(claim_id))
            except ConnectorError:
                continue

    def _withdrawal(self, claim_id: str) -> Happening:
        async def withdraw(at: datetime) -> None:
            await self._client.publish_message("claim-withdrawn", claim_id)
            self._note(f"the claimant of {claim_id} asks to withdraw it")

        return withdraw


def _reason(refusal: Exception) -> str:
    """The listener's reason out of the engine's sentence around it."""
    _, _, reason = str(refusal).partition("Reason to deny: ")
    return reason.strip("'") or str(refusal)
