"""What somebody tries who knows the source: every route, every header, every way around, over one running inbox."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
import pytest_asyncio
from starlette.routing import Route

from camunda_workers.client import Resource
from camunda_workers.inbox.app import create_inbox
from camunda_workers.inbox.live import Changes
from camunda_workers.inbox.parts import Rates
from camunda_workers.inbox.sessions import MOST_EACH
from camunda_workers.inbox.users import DevelopmentUsers, Person
from camunda_workers.tasks.notifications.links import Links
from tests.integration.test_inbox_pages import PLAIN, until
from tests.support.inbox_ground import PASSWORD, SECTION, Browser, Inbox, eventually, inbox
from tests.support.tasks_ground import ASSESSORS, Ground, person

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

EVIL: Final = "</script><img src=x onerror=alert(1)>\"'"
EVERYTHING: Final = frozenset({ASSESSORS, "claims-approvers", "claims-operations", "claims-leads", "claims-audit"})
PEOPLE: Final = [
    Person("amelia", EVIL, frozenset({ASSESSORS})),
    Person("ben", "Ben", frozenset({ASSESSORS})),
    Person("olga", "Olga", frozenset({"claims-operations"})),
    # Everything there is to be, of another tenant.
    Person("nina", "Nina", EVERYTHING, frozenset({"north"})),
    *(Person(f"guest-{number}", "Guest", frozenset()) for number in range(3)),
]
FREE: Final = Rates(looks=100_000, changes=100_000, files=100_000)
MISSING: Final = 2251799813000001
NEEDS_NOBODY: Final = ("/static/", "/sign-in", "/healthz", "/readyz")
FORM: Final = {"to": "ben", "reason": "x", "text": "x", "note": "x", "seen": "", "verdict": "accept", "name": "x", "keys": "1"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Inbox]:
    def links(ground: Ground) -> Links:
        return Links(ground.tasks.store.database, [b"k" * 32], ground.tasks.desk.people)

    section = SECTION.model_copy(update={"auditors": ("claims-audit",)})
    users = DevelopmentUsers(PEOPLE, PASSWORD)
    folder = tmp_path_factory.mktemp("attacks")
    async with inbox(folder, extra=(Resource("plain.bpmn", PLAIN),), section=section, users=users, links=links, rates=FREE) as running:
        yield running


def routes(site: Inbox, method: str) -> Iterator[str]:
    """Every address of the inbox that takes a method, as the application itself lists them."""
    for one in create_inbox(site.parts).routes:
        assert isinstance(one, Route), "a route of another kind: is it guarded?"
        if method in (one.methods or ()):
            yield one.path


async def incident(site: Inbox) -> int:
    """Something that went wrong."""
    client = site.ground.client
    await client.start("odd-job", business_id="CLM-odd")
    minute = timedelta(minutes=1)
    (job,) = await eventually(lambda: client.activate_jobs("odd", worker="odd", max_jobs=1, timeout=minute, request_timeout=minute / 60))
    await client.fail_job(job.key, retries=0, message=EVIL)

    async def found() -> int:
        page = await client.search_incidents({"state": "ACTIVE"})
        return page[0].incident_key if page else 0

    return await eventually(found)


async def ask(browser: Browser, method: str, path: str, **headers: str) -> Any:
    """A request of every kind at once: what the route does not read it does not mind."""
    all_of_it = {"HX-Request": "true", **headers}
    if method in ("GET", "HEAD"):
        return await browser.http.request(method, path, headers=all_of_it)
    if path.endswith(("/complete", "/draft")):
        return await browser.http.post(path, json={"variables": {}, "revision": 0}, headers={"Accept": "application/json", **all_of_it})
    if path.endswith("/files"):
        sent = {"Content-Type": "text/plain", "X-File-Name": "a.txt", "Accept": "application/json"}
        return await browser.http.post(path, content=b"hello", headers={**sent, **all_of_it})
    return await browser.http.post(path, data=FORM, headers=all_of_it)


async def test_another_tenants_things_are_as_if_there_were_none(site: Inbox) -> None:
    claim = await site.ground.reported()
    task = await site.ground.task(claim, "assess-claim")
    file = await site.ground.tasks.attach(person("lea"), task.key, "a.txt", "text/plain", _text())
    wrong = await incident(site)
    keys = {"tasks": task.key, "processes": task.process_definition_key, "incidents": wrong}
    tried = 0
    async with await site.signed_in("nina") as nina:
        for method in ("GET", "POST"):
            for path in routes(site, method):
                kind = path.split("/")[1]
                if "{" not in path or kind in ("static", "language", "absences", "l"):
                    continue
                theirs = path.replace("{key:key}", str(keys.get(kind))).replace("{business_id}", claim).replace("{file}", file.id)
                nobodys = path.replace("{key:key}", str(MISSING)).replace("{business_id}", "CLM-none").replace("{file}", file.id)
                answers = [await ask(nina, method, one, **{"X-CSRF-Token": nina.csrf}) for one in (theirs, nobodys)]
                seen = [
                    (one.status_code, one.headers.get("content-type"), one.text.replace(str(keys.get(kind)), "…").replace(claim, "…"))
                    for one in answers
                ]
                seen[1] = (seen[1][0], seen[1][1], seen[1][2].replace(str(MISSING), "…").replace("CLM-none", "…"))
                assert seen[0] == seen[1], path
                # Of incidents a list is shown, in which there is none.
                assert seen[0][0] == (200 if kind == "incidents" else 404), path
                assert "Robin" not in seen[0][2], path
                tried += 1
        assert tried > 25
        bulk = await nina.post("/tasks/claim", {"keys": str(task.key)})
        assert bulk.status_code == 204
        for path in ("/list?scope=all", f"/list?scope=all&q={task.key}", "/incidents", "/processes", "/audit", f"/cases?q={claim}"):
            assert (await nina.get(path)).text.count("CLM-0000") == 0, path
    now = await site.ground.client.get_user_task(task.key)
    assert (now.assignee, now.priority) == (None, 50)
    assert len(await site.parts.tasks.store.attachments.of(task.key)) == 1
    assert (await site.ground.client.search_incidents({"state": "ACTIVE"}))[0].incident_key == wrong


async def test_every_change_must_be_meant_on_every_route(site: Inbox) -> None:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    async with await site.signed_in("amelia") as amelia, await site.signed_in("ben") as ben, site.browser() as nobody:
        async with await site.signed_in("amelia") as earlier:
            ended = earlier.csrf
            await earlier.post("/sign-out")
        changes = [path for path in routes(site, "POST") if not path.startswith(NEEDS_NOBODY)]
        assert len(changes) > 18
        for path in changes:
            here = re.sub(r"{\w+:key}", str(task.key), path).replace("{code}", "de").replace("{token}", "x")
            assert (await ask(nobody, "POST", here)).status_code in (303, 401), path
            for token in ("", "x", "é", ben.csrf, ended, amelia.csrf[:-1], f"{amelia.csrf} {amelia.csrf}"):
                refused = await amelia.http.post(here, data={**FORM, "csrf": amelia.csrf}, headers={b"X-CSRF-Token": token.encode()})
                assert refused.status_code == 403, (path, token)
            inside = await amelia.http.post(f"{here}?x-csrf-token={amelia.csrf}", data={"X-CSRF-Token": amelia.csrf})
            assert inside.status_code == 403, path
            for site_of in (
                {"Origin": "https://evil.example"},
                {"Origin": "null"},
                {"Origin": "http://["},
                {"Sec-Fetch-Site": "cross-site"},
            ):
                assert (await ask(amelia, "POST", here, **site_of, **{"X-CSRF-Token": amelia.csrf})).status_code == 403, path
            for method in ("PUT", "DELETE", "PATCH", "TRACE"):
                other = await amelia.http.request(method, here, headers={"X-CSRF-Token": amelia.csrf, "X-HTTP-Method-Override": "POST"})
                assert other.status_code in (404, 405), (path, method)
            # Nothing happens to who only looks: mail scanners, prefetching browsers.
            for method in ("GET", "HEAD"):
                looked = await ask(amelia, method, here, **{"X-HTTP-Method-Override": "POST"})
                assert looked.status_code in (200, 403, 404, 405), (path, method)
        assert (await amelia.get("/tasks")).status_code == 200
    now = await site.ground.client.get_user_task(task.key)
    assert (now.assignee, now.priority) == (None, 50)
    assert await site.parts.tasks.store.comments.of(task.key) == []


async def test_every_answer_keeps_scripts_out(site: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    await site.ground.tasks.claim(person("amelia"), task.key)
    file = await site.ground.tasks.attach(person("amelia"), task.key, "a.txt", "text/plain", _text(b"<script>alert(1)</script>"))

    async def broken(*_: Any) -> None:
        raise RuntimeError("a secret of ours")

    async with await site.signed_in("amelia") as amelia:
        page = await amelia.get("/tasks")
        asset = re.search(r'src="(/static/[^"]+)"', page.text)
        assert asset is not None
        answers = {
            "page": (page, 200),
            "asset": (await amelia.get(asset[1]), 200),
            "host": (await amelia.get("/sign-in", Host="evil.example"), 400),
            "token": (await amelia.http.post("/tasks/claim"), 403),
            "gone": (await amelia.get("/nothing"), 404),
            "method": (await amelia.http.put("/tasks"), 403),
            "json": (await amelia.send(f"/tasks/{task.key}/complete", []), 422),
            "large": (await amelia.post("/filters", {"name": "x" * 1_000_001}), 413),
            "file": (await amelia.get(f"/tasks/{task.key}/files/{file.id}"), 200),
            "probe": (await amelia.get("/healthz"), 200),
        }
        with monkeypatch.context() as patched:
            patched.setattr(site.parts.tasks, "absences", broken)
            answers["failure"] = (await amelia.get("/absences"), 500)
        async with amelia.http.stream("GET", "/live") as stream:
            answers["stream"] = (stream, 200)
    for name, (answer, status) in answers.items():
        assert answer.status_code == status, name
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy, name
        assert not re.search(r"unsafe|\*|http:|https:", policy), name
        assert answer.headers["x-content-type-options"] == "nosniff", name
        assert answer.headers["x-frame-options"] == "DENY", name
        assert name == "asset" or answer.headers["cache-control"] == "no-store", name
    assert "secret" not in answers["failure"][0].text
    sent = answers["file"][0].headers
    assert sent["content-disposition"].startswith("attachment;")
    assert "sandbox" in sent["content-security-policy"]


ODD: Final = "9" * 5000
LOOKS: Final = [
    "/sign-in?to=//[", "/sign-in?to=http://[", f"/tasks?limit={ODD}", "/tasks?limit=²&scope=x&sort=%00&due=%ff", "/list?q=%00&element=%00",
    f"/tasks/{ODD}", "/tasks/99999999999999999999", f"/tasks/{2**63 - 1}", "/tasks/9999999999999999999/files/x", "/tasks/-1", "/tasks/٣",
    f"/processes/{ODD}", "/processes/{definition}?days=" + ODD, "/processes/{definition}?days=²&heat=x", "/processes/9999999999999999999/now",
    "/cases/%00", "/cases/" + "x" * 5000, "/cases/..%2f..%2fetc/files/x", "/cases?q=%00", f"/audit?before={ODD}", "/l/%00", "/l/v1.é.é", "/l/..",
    "/static/x/..%2f..%2fapp.py", "/static/x/%00",
]  # fmt: skip
HEADERS: Final = [
    ("/tasks", {"HX-Request": "true", "HX-Current-URL": "//["}), ("/live", {"Referer": "http://["}), ("/tasks", {"Accept-Language": "x" * 5000}),
    ("/tasks", {"Cookie": "inbox_language=../../etc; inbox_theme=<x>; inbox_session=" + "x" * 5000}), ("/tasks", {"Range": "bytes=0-,0-,0-"}),
]  # fmt: skip
NO_JSON: Final[list[dict[str, Any]]] = [
    {"a": 10**30}, {"a": -(10**400)}, {"a": "\ud800"}, {"a\ud800": 1}, {"a": [{"b": {"c": [10**25]}}]}, {"assessment": {"amount": 10**400}},
]  # fmt: skip
NO_FORM: Final[list[dict[str, Any]]] = [
    {"assessment": 5}, {"assessment": {"outcome": {"x": []}, "notes": [1], "amount": {}}}, {"__proto__": {"x": 1}},
]  # fmt: skip


async def test_nothing_breaks_on_what_nobody_sends(site: Inbox) -> None:
    claim = await site.ground.reported()
    task = await site.ground.task(claim, "assess-claim")
    await site.ground.tasks.claim(person("amelia"), task.key)
    await site.ground.client.start("plain", {"note": "x"}, business_id="CLM-plain")
    plain = await site.ground.task("CLM-plain", "look")
    await site.ground.tasks.claim(person("amelia"), plain.key)
    async with await site.signed_in("amelia") as amelia, await site.signed_in("olga") as olga, site.browser() as nobody:
        for path in LOOKS:
            here = path.format(definition=task.process_definition_key) if "{d" in path else path
            for browser in (amelia, olga, nobody):
                assert (await browser.get(here)).status_code < 500, path[:80]
        for path, headers in HEADERS:
            # Whoever is signed in gets a stream, which does not end.
            for browser in (nobody,) if path == "/live" else (amelia, nobody):
                assert (await browser.get(path, **headers)).status_code < 500, (path, headers)
        days = {"person": "amelia", "substitute": "ben", "start": "2026-01-01", "end": "2026-01-02"}
        for path, form in (
            ("/tasks/claim", {"keys": [ODD, "²", "x", "-1"]}),
            ("/absences/9999999999999999999/end", {}),
            (f"/incidents/1/retry?definition={ODD}", {}),
            ("/absences", {**days, "start": "0001-01-01", "end": "0001-01-02", "zone": "Asia/Tokyo"}),
            ("/absences", {**days, "start": "9999-12-30", "end": "9999-12-31", "zone": "America/Lima"}),
            ("/absences", {**days, "zone": "../../etc/passwd"}),
            ("/filters", {"name": "\x00"}),
            (f"/tasks/{task.key}/comments", {"text": "a\x00b \ufffe"}),
        ):
            assert (await amelia.post(path, form)).status_code < 500, (path, str(form)[:80])
        raw = {"Content-Type": "application/json", "Accept": "application/json", "X-CSRF-Token": amelia.csrf}
        for key in (task.key, plain.key):
            for body in [*NO_JSON, *(NO_FORM if key == task.key else ())]:
                for way in ("complete", "draft"):
                    text = json.dumps({"variables": body, "revision": 0}).encode()
                    answer = await amelia.http.post(f"/tasks/{key}/{way}", content=text, headers=raw)
                    assert answer.status_code in (200, 409, 422) if way == "draft" else answer.status_code == 422, (way, str(body)[:60])
            for text in (b'{"variables": {"a": 1e999}}', b'{"variables": {"a": -Infinity}}', b'{"variables": {"a": %s}}' % (b"9" * 5000)):
                answer = await amelia.http.post(f"/tasks/{key}/complete", content=text, headers=raw)
                assert answer.status_code == 422, text[:40]
        assert "a\ufffeb" not in (await amelia.get(f"/tasks/{task.key}")).text
    for key in (task.key, plain.key):
        assert (await site.ground.client.get_user_task(key)).state == "CREATED"


async def test_a_session_is_new_its_own_and_ends(site: Inbox) -> None:
    async with site.browser() as browser, await site.signed_in("ben") as ben:
        browser.http.cookies.set("inbox_session", "chosen-by-somebody-else")
        assert (await browser.get("/tasks")).status_code == 303
        answer = await browser.sign_in("guest-0")
        first = answer.cookies["inbox_session"]
        assert first != "chosen-by-somebody-else"
        async with site.browser() as other:
            assert (await other.sign_in("guest-0")).cookies["inbox_session"] != first
        # Somebody who is given a session and signs in, leaves it.
        browser.http.cookies.set("inbox_session", first)
        assert (await browser.get("/tasks")).status_code == 200
        for _ in range(MOST_EACH):
            async with site.browser() as other:
                assert (await other.sign_in("guest-0")).status_code == 303
        assert (await browser.get("/tasks")).status_code == 303
        assert (await ben.get("/tasks")).status_code == 200


async def test_guesses_are_counted_however_the_name_is_spelt_and_whatever_the_address(site: Inbox) -> None:
    async with site.browser() as browser:
        page = await browser.get("/sign-in")
        token = re.search(r'name="token" value="([^"]+)"', page.text)
        assert token is not None
        names = ["guest-1", "GUEST-1", " guest-1", "guest-1\u200b", "\uff47uest-1", "gu\u00adest-1", "guest-1"]
        answers = [
            (
                await browser.http.post(
                    "/sign-in",
                    data={"user": name, "password": f"guess {number}", "token": token[1]},
                    headers={"X-Forwarded-For": f"203.0.113.{number}"},
                )
            ).status_code
            for number, name in enumerate(names)
        ]
        assert answers == [401] * 5 + [429] * 2
        odd = await browser.http.post("/sign-in", data={"user": "guest-2", "password": "é", "token": "é"})
        assert odd.status_code == 403


async def test_a_stream_tells_of_ones_own_tenant_and_ends_with_its_session(site: Inbox) -> None:
    heard = {"nina": False, "ada": False, "zoe": False}
    changes = Changes(site.ground.log)
    streams = {
        name: changes.stream(name, lambda: True, tenants)
        for name, tenants in (("nina", frozenset({"north"})), ("ada", frozenset({"<default>"})), ("zoe", None))
    }
    for stream in streams.values():
        assert "hello" in await anext(stream)
    changes.ring("<default>")
    bells = changes._bells  # pyright: ignore[reportPrivateUsage]
    heard |= {one.user: bell.is_set() for bell, one in bells.items()}
    assert heard == {"nina": False, "ada": True, "zoe": True}
    for stream in streams.values():
        await stream.aclose()
    async with await site.signed_in("amelia") as amelia, amelia.http.stream("GET", "/live") as stream:
        lines = stream.aiter_lines()
        await until(lines, "event: hello")
        await amelia.post("/sign-out")
        await site.ground.reported()
        await until(lines, "event: bye")


async def test_names_and_values_stay_text_everywhere(site: Inbox) -> None:
    await incident(site)
    claim = {"claim_id": EVIL, "claimant": {"name": EVIL, "email": EVIL}, "total_amount": 7, "police_report": EVIL}
    await site.ground.client.start(
        "plain", {"claim": claim, EVIL.replace('"', ""): EVIL, "triage": {"rationale": EVIL, "route": EVIL}}, business_id="CLM-evil"
    )
    task = await site.ground.task("CLM-evil", "look")
    await site.ground.tasks.claim(person("amelia"), task.key)
    await site.ground.tasks.attach(person("amelia"), task.key, f"{EVIL}.txt", "text/plain", _text())
    case = "%3C%2Fscript%3E%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%22%27"
    async with await site.signed_in("amelia") as amelia, await site.signed_in("olga") as olga:
        await amelia.post(f"/tasks/{task.key}/comments", {"text": EVIL})
        pages = [f"/tasks?q={case}&element={case}", f"/tasks/{task.key}", f"/tasks/{task.key}?tab=history", f"/tasks/{task.key}?tab=diagram",
                 "/cases/CLM-evil", "/cases/CLM-evil/story", f"/cases/{case}", f"/sign-in?to={case}",
                 f"/tasks/{task.key}/files", f"/tasks/{task.key}/files/{case}"]  # fmt: skip
        seen = 0
        for browser, path in [*((amelia, path) for path in pages), (olga, "/incidents"), (olga, "/processes"), (olga, "/cases/CLM-evil")]:
            answer = await browser.get(path)
            assert answer.status_code in (200, 303, 404), path
            assert "<img src=x" not in answer.text, path
            seen += "onerror=alert(1)" in html.unescape(answer.text)
            for island in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', answer.text, re.DOTALL):
                json.loads(island)
        assert seen > 7
        refused = await amelia.post("/filters", {"name": EVIL})
        assert "\n" not in refused.headers["hx-redirect"]


async def test_links_are_not_used_up_by_who_only_looks_and_their_host_is_ours(site: Inbox) -> None:
    links = site.parts.links
    assert links is not None
    task = await site.ground.task(await site.ground.reported(), "assess-claim")
    token = await links.issue(task.key, "amelia", site.ground.engine.clock.now(), purpose="claim")
    async with await site.signed_in("amelia") as amelia, await site.signed_in("ben") as ben, site.browser() as scanner:
        for browser in (scanner, amelia, ben):
            for method in ("HEAD", "GET", "OPTIONS"):
                await browser.http.request(method, f"/l/{token}", headers={"Purpose": "prefetch", "Sec-Purpose": "prefetch"})
        for name in ("Host", "X-Forwarded-Host", "Forwarded"):
            asked = await scanner.http.get(f"/l/{token}", headers={name: "host=evil.example" if name == "Forwarded" else "evil.example"})
            assert "evil" not in asked.headers.get("location", ""), name
        assert (await ben.post(f"/l/{token}")).status_code == 403
        assert (await site.ground.client.get_user_task(task.key)).assignee is None
        assert (await amelia.post(f"/l/{token}")).status_code == 204
    assert (await site.ground.client.get_user_task(task.key)).assignee == "amelia"


async def _text(content: bytes = b"hello") -> AsyncGenerator[bytes]:
    yield content
