"""News about tasks reaches people: over a real SMTP server, a real webhook, and links that are good for one person, once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from pydantic import SecretStr

from camunda_workers.errors import ConfigurationError
from camunda_workers.project_people import DutiesSection, TasksSection
from camunda_workers.settings import TaskSettings
from camunda_workers.tasks import Caller, LinkRefused, TaskStore
from camunda_workers.tasks.duties import People
from camunda_workers.tasks.notifications.deliver import Courier
from camunda_workers.tasks.notifications.links import Links
from camunda_workers.tasks.notifications.mail import MailServer, NotSent, compose
from camunda_workers.tasks.notifications.outbox import MOST_TRIES, Notice, Outbox
from camunda_workers.tasks.notifications.running import notifying
from camunda_workers.tasks.notifications.setup import channels_of, courier_of, links_of
from camunda_workers.tasks.notifications.webhook import DELIVERY, SIGNATURE, Webhook, verified
from tests.support.tasks_ground import office

KEY, OLD_KEY = b"k" * 32, b"o" * 32
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
STAFF = DutiesSection.model_validate(
    {"people": {"ada": {"email": "ada@office.example", "aliases": ["ada.admin"]}, "bob": {"email": "bob@office.example"}}}
)
PEOPLE = People(STAFF)
ADA, BOB = Caller("ada"), Caller("bob")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time


class Mailbox:
    """What a real SMTP server has taken; it refuses an address that begins with ``no``."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("no"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        return "250 OK"


@pytest.fixture
async def mailbox() -> AsyncIterator[tuple[Mailbox, int]]:
    box = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box), "127.0.0.1", 0)
    async with server:
        yield box, server.sockets[0].getsockname()[1]


@pytest.fixture
async def store() -> AsyncIterator[TaskStore]:
    async with TaskStore() as opened:
        yield opened


def courier(store: TaskStore, clock: Clock, **more: Any) -> Courier:
    links = Links(store.database, [KEY], PEOPLE)
    return Courier(
        Outbox(store.database), PEOPLE, links, clock, address=lambda token: f"https://inbox.example/l/{token}", project="Claims", **more
    )


def notice(recipient: str = "ada", once: str = "assigned:1", **more: Any) -> Notice:
    return Notice(
        "assigned", 1, recipient, more.pop("channel", "email"), once, {"task": "Assess claim", "case": "CLM-1", "by": "lea", **more}
    )


async def test_a_mail_arrives_once_with_a_link_for_its_recipient(store: TaskStore, mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    clock = Clock()
    mail = MailServer("127.0.0.1", port, sender="claims@office.example", tls="none")
    outbox = Outbox(store.database)
    assert await outbox.put(notice(), START)
    assert not await outbox.put(notice(), START)
    sender = courier(store, clock, mail=mail)
    assert (await sender.deliver(), await sender.deliver()) == (1, 0)
    (message,) = box.messages
    assert (message["To"], message["From"], message["Auto-Submitted"]) == (
        "ada@office.example",
        "Claims <claims@office.example>",
        "auto-generated",
    )
    assert message["Subject"] == "lea has assigned you a task: Assess claim"
    plain = message.get_body(("plain",))
    assert plain is not None
    text = plain.get_content()
    token = text.split("https://inbox.example/l/")[1].split()[0]
    links = Links(store.database, [KEY], PEOPLE)
    assert (await links.look(token, START)).task_key == 1


async def test_a_mail_server_that_is_away_loses_nothing(store: TaskStore, mailbox: tuple[Mailbox, int], unused_tcp_port: int) -> None:
    box, port = mailbox
    clock, outbox = Clock(), Outbox(store.database)
    await outbox.put(notice(), START)
    away = courier(store, clock, mail=MailServer("127.0.0.1", unused_tcp_port, sender="claims@office.example", tls="none"))
    there = courier(store, clock, mail=MailServer("127.0.0.1", port, sender="claims@office.example", tls="none"))
    assert await away.deliver() == 0
    assert await there.deliver() == 0, "not before its time"
    clock.time += timedelta(minutes=1)
    assert await there.deliver() == 1
    assert len(box.messages) == 1


async def test_what_can_never_arrive_is_given_up_with_its_reason(store: TaskStore, mailbox: tuple[Mailbox, int]) -> None:
    _, port = mailbox
    people = People(DutiesSection.model_validate({"people": {"eve": {"email": "nobody@office.example"}, "odd": {"email": "no address"}}}))
    outbox, clock = Outbox(store.database), Clock()
    for name in ("eve", "odd", "ghost"):
        await outbox.put(notice(name), START)
    mail = MailServer("127.0.0.1", port, sender="claims@office.example", tls="none")
    links = Links(store.database, [KEY], people)
    sender = Courier(outbox, people, links, clock, address=lambda token: f"https://x/{token}", project="Claims", mail=mail)
    assert await sender.deliver() == 0
    stuck = {one.recipient: error for one, error in await outbox.stuck()}
    assert set(stuck) == {"eve", "odd", "ghost"}
    assert "550" in stuck["eve"]
    clock.time += timedelta(days=30)
    assert await sender.deliver() == 0


async def test_trying_again_takes_longer_each_time_and_ends(store: TaskStore) -> None:
    outbox, clock = Outbox(store.database), Clock()
    await outbox.put(notice(), START)
    sender, tries = courier(store, clock), 0
    for _ in range(60):
        tries += len(before := await outbox.take(clock.now()))
        for one in before:
            await outbox.failed(one, clock.now(), "down")
        clock.time += timedelta(hours=5)
    assert tries == MOST_TRIES
    assert await sender.deliver() == 0


def test_a_hostile_name_stays_a_name() -> None:
    server = MailServer("127.0.0.1", sender="claims@office.example", tls="none")
    hostile = notice(task="<script>alert(1)</script>\r\nBcc: eve@evil.example", note="a & b {by} {0}")
    message = compose(hostile, "ada@office.example", server, link="https://x/?a=1&b='\"", project='Claims", <eve@evil.example>')
    assert message["Bcc"] is None
    assert "\n" not in message["Subject"]
    page = message.get_body(("html",))
    assert page is not None
    shown = page.get_content()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert message["From"].addresses[0].addr_spec == "claims@office.example"
    with pytest.raises(NotSent):
        compose(hostile, "ada@office.example\r\nBcc: eve@evil.example", server, link="", project="Claims")
    german = compose(notice(), "ada@office.example", server, link="", project="Claims", language="de")
    assert german["Subject"] == "lea hat Ihnen eine Aufgabe zugewiesen: Assess claim"


async def test_a_link_is_for_one_person_once_and_for_a_while(store: TaskStore) -> None:
    links = Links(store.database, [KEY, OLD_KEY], PEOPLE)
    token = await links.issue(7, "ada", START, purpose="complete", lifetime=timedelta(hours=1))
    # A mail scanner opens it as often as it likes.
    for _ in range(3):
        assert (await links.look(token, START)).purpose == "complete"
    with pytest.raises(LinkRefused, match="somebody else") as refused:
        await links.use(token, START, BOB)
    assert refused.value.reason == "recipient"
    used = await asyncio.gather(*(links.use(token, START, Caller("ADA.admin")) for _ in range(5)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in used) == 1
    for late in (links.use(token, START, ADA), links.look(token, START)):
        with pytest.raises(LinkRefused, match="used already"):
            await late
    fresh = await links.issue(7, "ada", START, lifetime=timedelta(hours=1))
    with pytest.raises(LinkRefused, match="expired"):
        await links.use(fresh, START + timedelta(hours=1), ADA)
    assert (await Links(store.database, [b"n" * 32, KEY], PEOPLE).look(fresh, START)).task_key == 7


async def test_a_forged_link_is_refused(store: TaskStore) -> None:
    links = Links(store.database, [KEY], PEOPLE)
    token = await links.issue(7, "ada", START)
    version, body, signature = token.split(".")
    elsewhere = await Links(store.database, [b"e" * 32], PEOPLE).issue(7, "ada", START)
    async with TaskStore() as another:
        unknown = await Links(another.database, [KEY], PEOPLE).issue(7, "ada", START)
    flipped = body[:-2] + ("A" if body[-2] != "A" else "B") + body[-1]
    wrong = ["", "v1", token[:-1], token + "=", token + "A", f"v2.{body}.{signature}", f"{version}.{flipped}.{signature}"]
    wrong += [f"{version}.{body}.", elsewhere, unknown]
    for one in wrong:
        with pytest.raises(LinkRefused) as refused:
            await links.use(one, START, ADA)
        assert refused.value.reason == "forged", one
    assert (await links.use(token, START, ADA)).recipient == "ada"
    with pytest.raises(ConfigurationError, match="32 bytes"):
        Links(store.database, [b"short"], PEOPLE)


async def test_a_webhook_is_signed_and_goes_nowhere_else(store: TaskStore) -> None:
    seen: list[tuple[dict[str, str], bytes]] = []
    answers = [500, 302, 200]

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append((dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(answers[len(seen) - 1])
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        secret, clock, outbox = b"s" * 16, Clock(), Outbox(store.database)
        await outbox.put(notice(channel="webhook"), START)
        sender = courier(store, clock, webhook=Webhook(f"http://127.0.0.1:{server.server_port}/hook", secret))
        sent: list[int] = []
        for _ in range(3):
            sent.append(await sender.deliver())
            clock.time += timedelta(minutes=5)
    finally:
        await asyncio.to_thread(server.shutdown)
        thread.join()
        server.server_close()
    assert sent == [0, 0, 1]
    headers, body = seen[0]
    at = int(START.timestamp())
    assert verified(secret, body, headers[SIGNATURE], at)
    assert not verified(secret, body + b" ", headers[SIGNATURE], at)
    assert not verified(b"x" * 16, body, headers[SIGNATURE], at)
    assert not verified(secret, body, headers[SIGNATURE], at + 1000)
    assert not verified(secret, body, "nonsense", at)
    assert len({one[DELIVERY] for one, _ in seen}) == 1
    assert json.loads(body)["data"]["task"] == "Assess claim"
    for address in (
        "http://hooks.example/x",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1@169.254.169.254/",
        "http://127.0.0.1.evil.example/",
        "http://2130706433/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://169.254.169.254/",
        "https://2852039166/",
        "https://0xa9fea9fe/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fe80::1]/",
        "https://[fd00:ec2::254]/",
        "https://0.0.0.0/",
        "https://metadata.google.internal./computeMetadata/v1/",
    ):
        with pytest.raises(ConfigurationError, match=r"https|nobody's webhook"):
            Webhook(address, secret)


async def test_the_environment_says_how_people_are_reached(store: TaskStore) -> None:
    nothing = TaskSettings()
    assert channels_of(nothing) == ()
    with pytest.raises(ConfigurationError, match="CAMUNDA_WORKERS_LINK_SECRET"):
        links_of(nothing, store, PEOPLE)
    secret = SecretStr("k" * 32 + "," + "o" * 32)
    everything = TaskSettings(
        link_secret=secret, mail_host="127.0.0.1", mail_from="claims@office.example", webhook_url="https://hooks.example"
    )
    assert channels_of(everything) == ("email", "webhook")
    with pytest.raises(ConfigurationError, match="WEBHOOK_SECRET"):
        courier_of(everything, store, PEOPLE, Clock(), project="Claims")
    mail_only = everything.model_copy(update={"webhook_url": None})
    assert await courier_of(mail_only, store, PEOPLE, Clock(), project="Claims").deliver() == 0
    old = await Links(store.database, [OLD_KEY], PEOPLE).issue(1, "ada", START)
    assert (await links_of(everything, store, PEOPLE).look(old, START)).task_key == 1
    for wrong, words in (
        ({"mail_from": "nobody"}, "MAIL_FROM"),
        ({"mail_host": "mail.example", "mail_tls": "none", "mail_password": secret}, "unencrypted"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            courier_of(mail_only.model_copy(update=wrong), store, PEOPLE, Clock(), project="Claims")


@pytest.mark.engine
async def test_what_is_due_is_mailed_while_the_application_runs(tmp_path: Path, mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    settings = TaskSettings(
        mail_host="127.0.0.1", mail_port=port, mail_from="inbox@office.example", mail_tls="none", link_secret=SecretStr("s" * 32)
    )
    section = TasksSection.model_validate({"remind_before": "PT4H", "digest_at": "00:00", "language": "de"})
    async with office(tmp_path) as ground:
        amelia = Caller("amelia", frozenset({"claims-assessors"}))
        task = await ground.task(await ground.reported(), "assess-claim")
        await ground.tasks.claim(amelia, task.key)
        await ground.engine.advance(timedelta(hours=45))  # due after 48
        async with notifying(settings, section, ground.tasks, ground.client, ground.engine.clock, project="claims") as line:
            assert line == f"by email over 127.0.0.1:{port}"
            async with asyncio.timeout(30):
                while len(box.messages) < 2:
                    await asyncio.sleep(0.05)
        assert {message["To"] for message in box.messages} == {"amelia@office.example"}
        subjects = sorted(str(message["Subject"]) for message in box.messages)
        assert subjects[0] == "Eine Aufgabe ist bald fällig: Assess claim"
        assert subjects[1].startswith("Ihre Aufgaben: 1 offen")  # due today or tomorrow: that is the engine's clock to say
        async with notifying(TaskSettings(), section, ground.tasks, ground.client, ground.engine.clock, project="claims") as line:
            assert line == ""
