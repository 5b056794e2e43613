"""Reply to approve: real mails over a real SMTP server out and a real LMTP server in, and everything that must not work."""

from __future__ import annotations

import asyncio
import json
import smtplib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP
from pydantic import SecretStr
from sqlalchemy import select

from camunda_workers.client import Resource, UserTask
from camunda_workers.errors import ConfigurationError, ReadModelError
from camunda_workers.project_people import DutiesSection, InboxSection, NotificationsSection, TasksSection
from camunda_workers.settings import TaskSettings
from camunda_workers.tasks.notifications.deliver import Courier
from camunda_workers.tasks.notifications.replies.authentication import is_proven
from camunda_workers.tasks.notifications.replies.listening import listening
from camunda_workers.tasks.notifications.replies.offers import ReplyOffers
from camunda_workers.tasks.notifications.replies.receive import Received, ReplyDesk, TryAgain
from camunda_workers.tasks.notifications.running import notifying
from camunda_workers.tasks.notifications.setup import courier_of, reply_tokens
from camunda_workers.tasks.store.tables import facts
from tests.support.diagrams import process, sequence
from tests.support.tasks_ground import DUTIES, Ground, office, person

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

FORM: dict[str, Any] = {
    "id": "leave.approve",
    "type": "default",
    "schemaVersion": 18,
    "components": [
        {
            "type": "radio",
            "id": "f1",
            "key": "approval.decision",
            "label": "Decision",
            "values": [
                {"label": "Grant the leave", "value": "approve"},
                {"label": "Refuse it", "value": "reject"},
                {"label": "Ask again later", "value": "later"},
            ],
            "validate": {"required": True},
        },
        {"type": "textfield", "id": "f2", "key": "approval.comment", "label": "Comment"},
        {
            "type": "textarea",
            "id": "f3",
            "key": "approval.reason",
            "label": "Reason",
            "conditional": {"hide": '=approval.decision != "reject"'},
            "validate": {"required": True},
        },
    ],
}
LISTENERS = (
    '<zeebe:taskListeners><zeebe:taskListener eventType="assigning" type="four-eyes"/>'
    '<zeebe:taskListener eventType="completing" type="four-eyes"/></zeebe:taskListeners>'
)


def step(element_id: str, group: str, form: str = "") -> str:
    inside = f'<zeebe:userTask/>{form}<zeebe:assignmentDefinition candidateGroups="{group}"/>{LISTENERS}'
    return f'<bpmn:userTask id="{element_id}"><bpmn:extensionElements>{inside}</bpmn:extensionElements></bpmn:userTask>'


LEAVE = process(
    "leave",
    sequence(
        step("check-leave", "claims-assessors"), step("approve-leave", "claims-approvers", '<zeebe:formDefinition formId="leave.approve"/>')
    ),
)
RULES = DutiesSection.model_validate(
    {
        **DUTIES.model_dump(),
        "separate": [{"name": "check and approve", "tasks": ["check-leave", "approve-leave"]}],
    }
)
SECTION = NotificationsSection.model_validate({"reply_to": "decide@office.example", "trusted_results": ["mx.office.example"]})
PROVEN = "mx.office.example; dmarc=pass (p=reject) header.from=office.example; spf=pass smtp.mailfrom=dmitri@office.example"
DMITRI = "dmitri@office.example"


class Mailbox:
    """What the mail server has taken."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        return "250 OK"


@dataclass
class Post:
    """A running office whose mails can be answered."""

    ground: Ground
    box: Mailbox
    courier: Courier
    desk: ReplyDesk
    settings: TaskSettings

    async def checked(self, *, case: str | None = None, by: str = "amelia") -> UserTask:
        """A leave that somebody has checked; the task that comes then."""
        instance = await self.ground.client.start("leave", {"days": 3, "who": "Robin Doe"}, business_id=case)
        check = await self._task(instance.process_instance_key, "check-leave")
        await self.ground.tasks.assign(person("lea"), check.key, by)
        await self.ground.tasks.complete(person(by), check.key, {})
        await self.courier.deliver()
        return await self._task(instance.process_instance_key, "approve-leave")

    async def assigned(self, *, case: str | None = None) -> tuple[UserTask, EmailMessage]:
        """A leave that somebody has checked and somebody is to approve; the task, and the mail about it."""
        task = await self.checked(case=case)
        await self.ground.tasks.assign(person("lea"), task.key, "dmitri")
        return task, await self.told()

    async def _task(self, instance: int, element_id: str) -> UserTask:
        async with asyncio.timeout(10):
            while True:
                for task in await self.ground.client.search_user_tasks({"elementId": element_id, "processInstanceKey": instance}):
                    return task
                await asyncio.sleep(0.005)

    async def told(self) -> EmailMessage:
        """The next mail."""
        self.box.messages.clear()
        assert await self.courier.deliver() == 1
        (message,) = self.box.messages
        return message

    async def state(self, task: UserTask) -> str:
        return (await self.ground.client.get_user_task(task.key)).state

    async def refusals(self) -> list[tuple[str, str]]:
        """Every refusal that was recorded: why, and from whom it said it was."""
        query = select(facts.c.data).where(facts.c.kind == "reply.refused").order_by(facts.c.id)
        rows = await self.ground.tasks.store.database.run(lambda connection: connection.execute(query).all())
        return [(row.data["reason"], row.data["from"]) for row in rows]


@asynccontextmanager
async def post(folder: Path, section: NotificationsSection = SECTION, shows: InboxSection | None = None) -> AsyncGenerator[Post]:
    box = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box), "127.0.0.1", 0)
    resources = [Resource("leave.bpmn", LEAVE), Resource("leave.form", json.dumps(FORM).encode())]
    async with server, office(folder, RULES, extra=resources, shows=shows) as ground:
        settings = TaskSettings(
            mail_host="127.0.0.1",
            mail_port=server.sockets[0].getsockname()[1],
            mail_from="inbox@office.example",
            mail_tls="none",
            link_secret=SecretStr("s" * 32),
        )
        tokens = reply_tokens(settings, ground.tasks.store)
        offers = ReplyOffers(ground.tasks, tokens, section)
        people, clock = ground.tasks.desk.people, ground.engine.clock
        courier = courier_of(settings, ground.tasks.store, people, clock, project="leave", answers=offers.answer_to)
        yield Post(ground, box, courier, ReplyDesk(ground.tasks, tokens, section), settings)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Post]:
    async with post(tmp_path_factory.mktemp("replies")) as opened:
        yield opened


def answer(mail: EmailMessage, text: str, *, proven: str | None = PROVEN, sender: str = f"Dmitri <{DMITRI}>", **headers: str) -> bytes:
    """An answer as a mail program makes it, and the mail server marks it."""
    lines = [f"Authentication-Results: {proven}"] if proven is not None else []
    lines += [f"From: {sender}", f"To: {mail['Reply-To']}", f"Subject: Re: {mail['Subject']}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    quoted = "".join(f"> {line}\r\n" for line in plain(mail).splitlines())
    return ("\r\n".join(lines) + f"\r\n\r\n{text}\r\n\r\nOn Monday, leave wrote:\r\n{quoted}").encode()


def plain(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def test_a_word_completes_the_task_and_is_said_to_have_come_by_mail(running: Post) -> None:
    for text in ("approve", "  GENEHMIGEN  ", "grant the leave", "\r\n\r\nApprove"):
        task, mail = await running.assigned()
        assert "first line: approve, ask again later." in plain(mail)
        assert "reject" not in plain(mail), "that one needs a reason, which is one word too many"
        # Scanners open what is in a mail; nothing in it does anything when it is opened.
        assert mail["Reply-To"].addresses[0].addr_spec.startswith("decide+")
        assert len(mail["Reply-To"].addresses[0].username) <= 64
        received = await running.desk.receive(answer(mail, text), sender=DMITRI)
        assert received == Received(state="completed"), text
        assert await running.state(task) == "COMPLETED"
        [done] = await running.ground.tasks.store.ledger.facts(task.key, kind="task.completed")
        assert (done.actor, done.data["through"]) == ("dmitri", "mail")
        assert [one.data["reason"] for one in await running.ground.tasks.store.ledger.facts(task.key, kind="reply.accepted")] == ["by mail"]
        told = await running.told()
        assert (told["To"], told["Reply-To"]) == (DMITRI, None)
        assert "recorded" in told["Subject"]
        assert "Robin" not in told.as_string()


async def test_what_one_must_not_do_is_refused_by_mail_too(running: Post) -> None:
    task, mail = await running.assigned(case="LEAVE-1")
    # Meanwhile he has checked another leave of the same case: what he was allowed to have, he is not allowed to decide on any more.
    other = await running.checked(case="LEAVE-1", by="dmitri")
    assert other.key != task.key
    assert await running.desk.receive(answer(mail, "approve")) == Received("rules")
    assert await running.state(task) == "CREATED"
    told = await running.told()
    assert (told["To"], "A rule does not let you decide" in plain(told)) == (DMITRI, True)
    for secret in ("Robin", "LEAVE-1", "check", "approve-leave"):
        assert secret not in plain(told), secret
    # The word is used up: what the rules said no to is not tried until they say yes.
    assert await running.desk.receive(answer(mail, "approve")) == Received("used")


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("sender", {"sender": "Dmitri <dmitri@evil.example>"}),
        ("sender", {"sender": '"dmitri@office.example" <eve@evil.example>'}),
        ("sender", {"sender": f"{DMITRI}, eve@evil.example"}),
        ("sender", {"sender": f"{DMITRI}\r\nFrom: eve@evil.example"}),
        ("sender", {"sender": f"eve@evil.example\r\nFrom: {DMITRI}"}),
        ("sender", {"sender": "emma@office.example"}),
        ("sender", {"sender": "dmitri@office.example@evil.example"}),
        ("sender", {"sender": "team: dmitri@office.example;"}),
        ("sender", {"Return_Path": "<eve@evil.example>"}),
        ("unproven", {"proven": None}),
        ("unproven", {"proven": "mx.evil.example; dmarc=pass header.from=office.example"}),
        ("unproven", {"proven": "mx.office.example.evil.example; dmarc=pass header.from=office.example"}),
        ("unproven", {"proven": '"mx.evil.example; mx.office.example"; dmarc=pass header.from=office.example'}),
        ("unproven", {"proven": "(mx.office.example;) mx.evil.example; dmarc=pass header.from=office.example"}),
        ("unproven", {"proven": "mx.office.example; dmarc=fail header.from=office.example; dkim=pass header.d=office.example"}),
        ("unproven", {"proven": "mx.office.example; dmarc=pass header.from=evil.example"}),
        ("unproven", {"proven": "mx.office.example; dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=eve@evil.example"}),
        ("unproven", {"proven": "mx.office.example; none"}),
        ("unproven", {"proven": f"mx.office.example; dmarc=fail header.from=office.example\r\nAuthentication-Results: {PROVEN}"}),
        ("automatic", {"Auto_Submitted": "auto-replied"}),
        ("automatic", {"Precedence": "bulk"}),
        ("automatic", {"Return_Path": "<>"}),
        ("automatic", {"List_Id": "<everybody.office.example>"}),
        ("word", {"text": "I approve"}),
        ("word", {"text": "approve!!"}),
        ("word", {"text": "reject"}),
        ("word", {"text": "> approve"}),
        ("word", {"text": ""}),
        ("text", {"Content_Type": "text/html"}),
        ("text", {"Content_Type": "text/plain; charset=made-up"}),
        ("large", {"text": "approve\r\n" + "x" * 300_000}),
    ],
)
async def test_what_is_not_surely_the_persons_word_changes_nothing(running: Post, reason: str, changes: dict[str, str]) -> None:
    task, mail = await running.assigned()
    before = len(await running.refusals())
    text = changes.get("text", "approve")
    raw = answer(mail, text, **{name: value for name, value in changes.items() if name != "text"})
    assert await running.desk.receive(raw) == Received(reason)
    assert await running.state(task) == "CREATED"
    assert [one for one, _ in (await running.refusals())[before:]] == [reason]
    if reason == "automatic":
        assert await running.courier.deliver() == 0, "machines are not answered: they would answer back"
    else:
        told = await running.told()
        # Only ever to the registered address, never to whom the mail says it is from.
        assert (told["To"], told["Reply-To"], told["Auto-Submitted"]) == (DMITRI, None, "auto-generated")
        assert "Robin" not in told.as_string()
        assert "approve-leave" not in plain(told)
    # The person's own word still counts.
    assert (await running.desk.receive(answer(mail, "approve"), sender=DMITRI)).state == "completed"
    await running.told()


async def test_an_address_is_for_one_answer_for_a_while_and_for_the_task_as_it_was(running: Post) -> None:
    task, mail = await running.assigned()
    raws = [answer(mail, "approve", X_Try=str(number)) for number in range(5)]
    outcomes = await asyncio.gather(*(running.desk.receive(raw) for raw in raws))
    assert sorted((one.state, one.reason) for one in outcomes) == [("", "used")] * 4 + [("completed", "")]
    assert await running.state(task) == "COMPLETED"
    await running.courier.deliver()
    # A replay of the very mail.
    assert await running.desk.receive(raws[0]) == Received("used")
    await running.courier.deliver()
    # The task is not what it was.
    task, mail = await running.assigned()
    await running.ground.client.set_variables(task.process_instance_key or 0, {"days": 20})
    async with asyncio.timeout(10):
        while (await running.ground.tasks.show(person("dmitri"), task.key)).variables["days"] != 20:
            await asyncio.sleep(0.01)
    assert await running.desk.receive(answer(mail, "approve")) == Received("changed")
    await running.courier.deliver()
    # It is somebody else's by now.
    task, mail = await running.assigned()
    await running.ground.tasks.assign(person("lea"), task.key, "emma", seen="dmitri")
    await running.courier.deliver()
    assert await running.desk.receive(answer(mail, "approve")) == Received("closed")
    assert await running.state(task) == "CREATED"
    await running.courier.deliver()
    # Its time is over.
    task, mail = await running.assigned()
    await running.ground.engine.advance(timedelta(days=3))
    assert await running.desk.receive(answer(mail, "approve")) == Received("expired")
    await running.courier.deliver()


async def test_an_address_that_is_not_ours_is_nobodys(running: Post) -> None:
    task, mail = await running.assigned()
    real = str(mail["Reply-To"].addresses[0].addr_spec)
    token = real.partition("+")[2].partition("@")[0]
    flipped = token[:-1] + ("a" if token[-1] != "a" else "b")
    for wrong in (
        real.replace(token, flipped),
        real.replace(token, token[:20] + "a" * 24),
        real.replace(token, "a" * 44),
        "decide@office.example",
    ):
        assert await running.desk.receive(answer(mail, "approve"), recipient=wrong) == Received("address"), wrong
    # Who is proven hears of it; who is not proven may be anybody, and nobody is written to.
    assert await running.courier.deliver() == 1
    assert await running.desk.receive(answer(mail, "approve", proven=None), recipient="decide@office.example") == Received("address")
    assert await running.courier.deliver() == 0
    # Capitals are made by mail servers, and mean nothing.
    assert (await running.desk.receive(answer(mail, "approve"), recipient=real.upper())).state == "completed"
    await running.told()
    # A copy of a mail fills nobody's box.
    task, mail = await running.assigned()
    for number in range(8):
        await running.desk.receive(answer(mail, f"nonsense {number}"))
    assert await running.courier.deliver() == 5
    assert await running.state(task) == "CREATED"


async def test_what_cannot_be_done_now_is_brought_again(running: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    task, mail = await running.assigned()

    async def broken(*_: Any, **__: Any) -> None:
        raise ReadModelError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(running.ground.tasks, "complete", broken)
        with pytest.raises(TryAgain, match="disk is full"):
            await running.desk.receive(answer(mail, "approve"))
    assert (await running.desk.receive(answer(mail, "approve"))).state == "completed"
    assert await running.state(task) == "COMPLETED"
    await running.told()


async def test_only_what_one_word_completes_is_offered(tmp_path: Path) -> None:
    marked = InboxSection.model_validate({"sensitive": ["form:leave.approve"]})
    async with post(tmp_path, shows=marked) as opened:
        # A sensitive case is looked at before it is decided on.
        task, mail = await opened.assigned()
        assert mail["Reply-To"] is None
        # A form that needs notes, too.
        claim_id = await opened.ground.reported()
        await opened.ground.tasks.assign(person("lea"), (await opened.ground.task(claim_id, "assess-claim")).key, "ben")
        assert (await opened.told())["Reply-To"] is None
        assert await opened.ground.tasks.offered("dmitri", task.key) is None
        assert await opened.ground.tasks.offered("ben", (await opened.ground.task(claim_id, "assess-claim")).key, {}) is None


async def test_over_the_wire_with_everything_running(tmp_path: Path, unused_tcp_port: int) -> None:
    section = SECTION.model_copy(update={"listen": f"lmtp://127.0.0.1:{unused_tcp_port}", "largest_reply": 100_000})
    async with post(tmp_path, section) as opened:
        ground = opened.ground
        news = notifying(
            opened.settings, TasksSection(), ground.tasks, ground.client, ground.engine.clock, project="leave", replies=section
        )
        task, mail = await opened.assigned()
        to = str(mail["Reply-To"].addresses[0].addr_spec)
        async with news as line:
            assert line.endswith(f"answers to decide@office.example at lmtp://127.0.0.1:{unused_tcp_port}")

            def send(raw: bytes, recipient: str = to, sender: str = DMITRI) -> str:
                with smtplib.LMTP("127.0.0.1", unused_tcp_port) as server:
                    try:
                        server.sendmail(sender, [recipient], raw)
                    except smtplib.SMTPRecipientsRefused as error:
                        return str(next(iter(error.recipients.values()))[0])
                    except smtplib.SMTPResponseException as error:
                        return str(error.smtp_code)
                return "250"

            assert await asyncio.to_thread(send, answer(mail, "approve"), "somebody@office.example") == "550"
            assert await asyncio.to_thread(send, answer(mail, "approve " + "x\r\n" * 50_000)) == "552"
            assert await asyncio.to_thread(send, answer(mail, "approve"), to, "") == "250", "a bounce is taken, and changes nothing"
            assert await asyncio.to_thread(send, answer(mail, "approve"), to, "eve@evil.example") == "250"
            assert await opened.state(task) == "CREATED"
            assert [reason for reason, _ in await opened.refusals()] == ["automatic", "sender"]
            assert await asyncio.to_thread(send, answer(mail, "approve")) == "250"
            assert await opened.state(task) == "COMPLETED"
        with pytest.raises(ConfigurationError, match="cannot be listened on"):
            async with listening(opened.desk, section.model_copy(update={"listen": f"lmtp://{tmp_path}/none/socket"})):
                pass
        path = tmp_path / "socket"
        async with listening(opened.desk, section.model_copy(update={"listen": f"lmtp://{path}"})):
            assert path.stat().st_mode & 0o777 == 0o660
            reader, writer = await asyncio.open_unix_connection(path)
            assert (await reader.readline()).startswith(b"220 ")
            writer.close()


async def test_half_a_setting_is_off_and_a_wrong_one_refused() -> None:
    for given in ({}, {"reply_to": "decide@office.example"}, {"trusted_results": ["mx.office.example"]}):
        assert not NotificationsSection.model_validate(given).takes_replies
    for wrong in (
        {"reply_to": "nobody"},
        {"reply_to": "a+b@office.example"},
        {"reply_to": "x" * 20 + "@office.example"},
        {"listen": "lmtp://0.0.0.0:24"},
        {"listen": "lmtp://mail.example:24"},
        {"listen": "http://127.0.0.1:24"},
        {"listen": "lmtp://127.0.0.1"},
    ):
        with pytest.raises(ValueError, match=r"mailbox|this machine"):
            NotificationsSection.model_validate(wrong)


async def test_a_delegate_and_a_stranger_are_offered_nothing(running: Post) -> None:
    task, mail = await running.assigned()
    await running.ground.tasks.delegate(person("dmitri"), task.key, "emma")
    told = await running.told()
    assert (told["To"], told["Reply-To"]) == ("emma@office.example", None)
    assert await running.desk.receive(answer(mail, "approve")) == Received("closed")
    assert await running.state(task) == "CREATED"
    await running.told()


async def test_what_a_trusted_server_must_have_found() -> None:
    trusted, domain = ["MX.office.example"], "office.example"
    for header, sender, proven in (
        ("mx.office.example; dmarc=pass header.from=office.example", None, True),
        ("mx.office.example 1; dmarc=PASS (p=none; dis=none) header.from=Office.Example", None, True),
        ('"mx.office.example"; dkim=pass header.d=office.example', None, True),
        ("mx.office.example; dkim=pass header.i=@office.example header.s=k1", None, True),
        ("mx.office.example; dkim=pass header.d=example", None, False),
        ("mx.office.example; dkim=pass header.d=notoffice.example", None, False),
        ('mx.office.example; dkim=pass reason="header.d=office.example" header.d=evil.example', None, False),
        ("mx.office.example; dkim=fail header.d=office.example; dkim=pass header.d=office.example", None, False),
        ("mx.office.example; spf=pass smtp.mailfrom=a@office.example", "a@office.example", True),
        ("mx.office.example; spf=pass smtp.mailfrom=a@office.example", "a@evil.example", False),
        ("mx.office.example; spf=softfail smtp.mailfrom=a@office.example", "a@office.example", False),
        ("mx.office.example; dkim=fail header.d=office.example; spf=pass smtp.mailfrom=a@office.example", None, False),
        ("mx.office.example; dmarc=none header.from=office.example; dkim=pass header.d=office.example", None, False),
        ("mx.office.example; (dmarc=pass header.from=office.example", None, False),
        ('mx.office.example; "dmarc=pass" header.from=office.example', None, False),
        ("", None, False),
        ("mx.office.example", None, False),
        (";" * 5000 + "(" * 5000, None, False),
    ):
        assert is_proven([header], trusted, domain, sender) is proven, header
    assert not is_proven([], trusted, domain, None)
    assert not is_proven(["mx.office.example; dmarc=pass header.from=office.example"], [], domain, None)
