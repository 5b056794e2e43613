"""Signing in at a real OpenID Connect provider, and everything a forged answer or token could try."""

from __future__ import annotations

import base64
import hmac
import json
import re
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from camunda_workers.errors import EngineUnavailable
from camunda_workers.inbox import serve_inbox
from camunda_workers.inbox.logins import SignInRefused
from camunda_workers.inbox.oidc import Provider
from camunda_workers.inbox.production import open_parts
from camunda_workers.inbox.users import KnownPeople
from camunda_workers.project import load_project
from camunda_workers.project_people import OidcSection
from camunda_workers.settings import Settings
from tests.support.inbox_ground import Browser, Inbox, inbox
from tests.support.oidc_provider import OidcProvider, oidc_provider
from tests.support.tasks_ground import ASSESSORS, DUTIES, office

SECRET = "the inbox's own: secret & more+"


class Clock:
    """The provider's time, which a test moves."""

    def __init__(self) -> None:
        self.later = 0.0

    def __call__(self) -> float:
        return time.time() + self.later


@dataclass
class Place:
    """An inbox and the provider at which people sign in to it."""

    site: Inbox
    idp: OidcProvider
    clock: Clock

    async def sign_in(self, browser: Browser, user: str = "amelia", *, to: str = "/tasks") -> httpx.Response:
        """What a browser does: to the provider, through its form, and back."""
        away = await browser.http.get("/sign-in", params={"to": to})
        assert away.status_code == 303, away.text
        return await browser.http.get(await self.code(away.headers["location"], user))

    async def code(self, address: str, user: str = "amelia") -> str:
        """Log in at the provider; where it sends the browser back to."""
        async with httpx.AsyncClient() as http:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
            answer = await http.post(f"{self.idp.issuer}/authorize", data={**asked, "username": user, "password": "open"})
            assert answer.status_code == 302, answer.text
            return answer.headers["location"]


@pytest.fixture
async def idp() -> AsyncGenerator[OidcProvider]:
    async with oidc_provider() as running:
        running.add_person("amelia", "open", groups=(ASSESSORS,), display_name="Amelia Hart")
        running.add_person("mallory", "open")
        yield running


@pytest.fixture
async def place(tmp_path: Path, idp: OidcProvider) -> AsyncGenerator[Place]:
    clock = Clock()
    provider = Provider(OidcSection(issuer=idp.issuer, client_id="inbox"), SECRET, now=clock)
    async with inbox(tmp_path, provider=provider, users=KnownPeople(DUTIES)) as site:
        back, out = f"{site.address}/sign-in/back", f"{site.address}/sign-in?out=1"
        idp.add_client("inbox", SECRET, redirect_uris=(back,), post_logout_redirect_uris=(out,))
        yield Place(site, idp, clock)


@pytest.mark.engine
async def test_somebody_signs_in_works_and_signs_out(place: Place) -> None:
    task = await place.site.ground.task(await place.site.ground.reported(), "assess-claim")
    async with place.site.browser() as browser:
        browser.http.cookies.set("inbox_session", "planted")
        answer = await place.sign_in(browser, to=f"/tasks/{task.key}")
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/tasks/{task.key}"
        cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("inbox_session="))
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "planted" not in cookie
        token = cookie.split(";")[0].partition("=")[2]
        browser.http.cookies.clear()
        browser.http.cookies.set("inbox_session", token)
        page = await browser.get(f"/tasks/{task.key}")
        assert "Amelia Hart" in page.text
        assert f"It is for your group {ASSESSORS}." in page.text
        csrf = re.search(r'name="csrf-token" content="([^"]+)"', page.text)
        assert csrf is not None
        browser.csrf = csrf[1]
        assert "You have this task" in (await browser.post(f"/tasks/{task.key}/claim")).text
        out = await browser.post("/sign-out")
        to = urlsplit(out.headers["hx-redirect"])
        assert f"{to.scheme}://{to.netloc}{to.path}" == f"{place.idp.issuer}/end_session"
        async with httpx.AsyncClient() as http:
            back = await http.get(out.headers["hx-redirect"])
        assert back.headers["location"] == f"{place.site.address}/sign-in?out=1"
        browser.http.cookies.set("inbox_session", token)
        assert (await browser.get("/tasks")).status_code == 303
        assert "You are signed out." in (await browser.get("/sign-in?out=1")).text
        assert (await browser.http.post("/sign-in", data={"user": "amelia", "password": "open sesame"})).status_code == 405


@pytest.mark.engine
async def test_answers_that_nobody_is_signed_in_by(place: Place) -> None:
    async with place.site.browser() as browser, place.site.browser() as other:
        away = await browser.http.get("/sign-in")
        back = await place.code(away.headers["location"])
        query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
        # A code that was slipped to somebody else's browser, and one that has no state of ours.
        assert (await other.http.get(back)).status_code == 403
        assert (await browser.http.get("/sign-in/back", params={**query, "state": "guess"})).status_code == 403
        # The state was used up by the other browser: the code is worth nothing any more.
        assert (await browser.http.get(back)).status_code == 403
        for change in ({"iss": "https://evil.example"}, {"iss": ""}, {"code": "guess"}, {"error": "access_denied"}):
            away = await browser.http.get("/sign-in")
            back = await place.code(away.headers["location"])
            query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
            refused = await browser.http.get("/sign-in/back", params={**query, **change})
            assert refused.status_code == 403, change
            assert "inbox_session" not in browser.http.cookies
        # Another application's verifier does not fit this code's challenge.
        first, second = await browser.http.get("/sign-in"), await browser.http.get("/sign-in")
        codes = [parse_qs(urlsplit(await place.code(one.headers["location"])).query) for one in (first, second)]
        swapped = {"code": codes[0]["code"][0], "state": codes[1]["state"][0], "iss": place.idp.issuer}
        assert (await browser.http.get("/sign-in/back", params=swapped)).status_code == 403
        place.idp.outage = 503
        place.clock.later += 4000
        assert (await browser.http.get("/sign-in")).status_code == 503


@pytest.mark.engine
async def test_groups_are_asked_for_again_and_whoever_left_is_out(place: Place) -> None:
    task = await place.site.ground.task(await place.site.ground.reported(), "assess-claim")
    async with place.site.browser() as browser:
        await place.sign_in(browser)
        assert (await browser.get(f"/tasks/{task.key}")).status_code == 200
        place.idp.people["amelia"] = replace(place.idp.people["amelia"], groups=("kitchen",))
        assert (await browser.get(f"/tasks/{task.key}")).status_code == 200
        place.clock.later += 310
        assert (await browser.get(f"/tasks/{task.key}")).status_code == 403
        # While the provider is away, people go on working for a moment; then nobody vouches for them.
        place.idp.outage = 503
        place.clock.later += 310
        assert (await browser.get("/tasks")).status_code == 200
        place.clock.later += 400
        assert (await browser.get("/tasks")).status_code == 303
        place.idp.outage = 0
        place.clock.later = 0
        await place.sign_in(browser)
        del place.idp.people["amelia"]
        place.clock.later += 310
        assert (await browser.part("/list")).status_code == 401


@pytest.mark.engine
async def test_the_inbox_beside_a_cluster_is_put_together_from_the_environment(tmp_path: Path, idp: OidcProvider) -> None:
    file = tmp_path / "camunda-workers.toml"
    file.write_text(f'[inbox.oidc]\nissuer = "{idp.issuer}"\nclient_id = "inbox"\n', encoding="utf-8")
    async with office(tmp_path) as ground:
        task = await ground.task(await ground.reported(), "assess-claim")
        settings = Settings(
            grpc_address=ground.engine.grpc_address,
            rest_address=ground.engine.rest_address,
            data_dir=tmp_path / "data",
            inbox_url="http://127.0.0.1:1",
            oidc_client_secret=SecretStr(SECRET),
        )
        async with open_parts(load_project(file), settings, ground.log) as parts, serve_inbox(replace(parts, address="")) as address:
            idp.add_client("inbox", SECRET, redirect_uris=(f"{address}/sign-in/back",))
            site = Inbox(ground, address, parts)
            async with site.browser() as browser:
                await Place(site, idp, Clock()).sign_in(browser)
                queue = await browser.get("/tasks?scope=team")
                assert f'data-row="{task.key}"' in queue.text
                csrf = re.search(r'name="csrf-token" content="([^"]+)"', queue.text)
                assert csrf is not None
                browser.csrf = csrf[1]
                assert "You have this task" in (await browser.post(f"/tasks/{task.key}/claim")).text


@pytest.fixture
async def provider(idp: OidcProvider) -> Provider:
    return Provider(OidcSection(issuer=idp.issuer, client_id="inbox"), SECRET)


def _good(idp: OidcProvider) -> dict[str, Any]:
    return {"sub": "amelia", "aud": "inbox", "nonce": "n", "preferred_username": "amelia", "groups": [ASSESSORS]}


async def test_what_is_wrong_with_a_token(idp: OidcProvider, provider: Provider) -> None:
    good, now = _good(idp), int(time.time())
    assert (await provider.claims_of(idp.mint(good), nonce="n"))["sub"] == "amelia"
    for wrong in (
        {"aud": "another"},
        {"aud": ["inbox", "another"]},
        {"aud": ["inbox", "another"], "azp": "another"},
        {"azp": "another"},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": None},
        {"exp": now - 120},
        {"exp": None},
        {"iat": None},
        {"nonce": "another"},
        {"nonce": None},
        {"nbf": now + 600},
    ):
        with pytest.raises(SignInRefused):
            await provider.claims_of(idp.mint({**good, **wrong}), nonce="n")
    with pytest.raises(SignInRefused, match="access token"):
        await provider.claims_of(idp.mint({**good, "at_hash": "AAAA"}), nonce="n", access_token="other")


def _with_secret(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    signed = ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (header, claims))
    return f"{signed}.{base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), 'sha256')).decode().rstrip('=')}"


async def test_who_signed_a_token(idp: OidcProvider, provider: Provider) -> None:
    good = {**_good(idp), "iss": idp.issuer, "iat": int(time.time()), "exp": int(time.time()) + 300}
    head, body, _ = idp.mint(good).split(".")
    stranger = RSAKey.generate_key(2048)
    secret = idp.key.as_pem(private=False)
    forged = [
        idp.mint(good, key=stranger),
        # The published key taken for a shared secret.
        _with_secret({"alg": "HS256", "kid": idp.key.kid}, good, secret),
        f"{head}.{body}.",
        "eyJhbGciOiJub25lIn0." + body + ".",
        "not a token",
    ]
    for token in forged:
        with pytest.raises(SignInRefused):
            await provider.claims_of(token, nonce="n")
    before = idp.counts["/jwks"]
    for _ in range(20):
        with pytest.raises(SignInRefused):
            await provider.claims_of(idp.mint(good, key=stranger, header={"kid": "unknown"}), nonce="n")
    # Forged tokens do not make us flood the provider.
    assert idp.counts["/jwks"] - before <= 1


async def test_a_new_key_is_fetched_and_a_wrong_provider_is_noticed(idp: OidcProvider) -> None:
    clock = Clock()
    provider = Provider(OidcSection(issuer=idp.issuer, client_id="inbox"), SECRET, now=clock)
    await provider.claims_of(idp.mint(_good(idp)), nonce="n")
    idp.rotate(forget=True)
    clock.later = 20
    assert await provider.claims_of(idp.mint(_good(idp)), nonce="n")
    names = ("127.0.0.1", "localhost") if "127.0.0.1" in idp.issuer else ("localhost", "127.0.0.1")
    elsewhere = Provider(OidcSection(issuer=idp.issuer.replace(*names), client_id="inbox"), SECRET)
    with pytest.raises(SignInRefused, match="calls itself"):
        await elsewhere.metadata()
    with pytest.raises(EngineUnavailable):
        await Provider(OidcSection(issuer="http://127.0.0.1:9", client_id="inbox"), SECRET).metadata()
    with pytest.raises(ValueError, match="https"):
        OidcSection(issuer="http://login.example", client_id="inbox")


NOBODY: frozenset[str] = frozenset()
CLAIMS: list[tuple[dict[str, str], dict[str, Any], tuple[frozenset[str], frozenset[str] | None]]] = [
    ({"groups_claim": "realm_access.roles"}, {"realm_access": {"roles": ["a", "b", 1]}}, (frozenset("ab"), None)),
    ({}, {"groups": "one"}, (frozenset({"one"}), None)),
    ({"tenants_claim": "tenants"}, {"groups": [], "tenants": ["north"]}, (NOBODY, frozenset({"north"}))),
    ({"tenants_claim": "tenants"}, {"groups": []}, (NOBODY, NOBODY)),
]


@pytest.mark.parametrize(("different", "claims", "expected"), CLAIMS)
async def test_claims_become_groups_and_tenants(
    idp: OidcProvider, different: dict[str, str], claims: dict[str, Any], expected: tuple[frozenset[str], frozenset[str] | None]
) -> None:
    provider = Provider(OidcSection.model_validate({"issuer": idp.issuer, "client_id": "inbox", **different}), None)
    token = idp.mint({**_good(idp), "groups": None, **claims})
    login = await provider._login({"id_token": token}, "n")  # pyright: ignore[reportPrivateUsage]
    assert (login.person.groups, login.person.tenants) == expected


@pytest.mark.parametrize("name", ["ame\u200blia", "\uff41melia", "ameli\u00aa", "amelia\u202e", "\u00a0\u200b"])
async def test_a_user_name_that_only_looks_like_anothers_is_refused(idp: OidcProvider, name: str) -> None:
    provider = Provider(OidcSection(issuer=idp.issuer, client_id="inbox"), None)
    with pytest.raises(SignInRefused, match=r"not seen or stand for others|could not be assigned"):
        await provider._login({"id_token": idp.mint({**_good(idp), "preferred_username": name})}, "n")  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(SignInRefused, match="no 'sub'"):
        provider._person({"preferred_username": "amelia"}, {"id_token": "x"})  # pyright: ignore[reportPrivateUsage]


async def test_an_address_that_nobody_verified_is_no_user_name(idp: OidcProvider) -> None:
    provider = Provider(OidcSection(issuer=idp.issuer, client_id="inbox", user_claim="email"), None)
    token = idp.mint({**_good(idp), "email": "amelia@office.example", "email_verified": False})
    with pytest.raises(SignInRefused, match="verified"):
        await provider._login({"id_token": token}, "n")  # pyright: ignore[reportPrivateUsage]
