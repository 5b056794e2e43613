"""Lists of tasks in the service: the same from our own log and from the engine's search; nobody sees another tenant's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from camunda_workers.errors import InvalidArgument, PermissionDenied
from camunda_workers.tasks import Caller
from tests.support.tasks_ground import ASSESSORS, office, person

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("searches", [False, True], ids=["log", "search"])
async def test_lists_are_the_same_from_the_log_and_from_the_search(tmp_path: Path, searches: bool) -> None:
    async with office(tmp_path, searches=searches) as ground:
        tasks, amelia, ben, lea = ground.tasks, person("amelia"), person("ben"), person("lea")
        keys: list[int] = []
        for _ in range(5):
            keys.append((await ground.task(await ground.reported(), "assess-claim")).key)
            await ground.engine.advance(timedelta(minutes=1))
        await tasks.claim(amelia, keys[1])
        await tasks.claim(ben, keys[2])
        first = await tasks.page(amelia, "all", limit=3)
        assert ([one.key for one in first.items], first.total) == ([keys[0], keys[1], keys[3]], 4)
        second = await tasks.page(amelia, "all", limit=3, after=first.cursor)
        assert ([one.key for one in second.items], second.total, second.cursor) == ([keys[4]], 4, None)
        newest = await tasks.page(amelia, "team", sort="-creation_date")
        assert [one.key for one in newest.items] == [keys[4], keys[3], keys[0]]
        assert await tasks.counts(amelia) == {"mine": 1, "team": 3, "standing-in": 0}
        assert (await tasks.page(lea, "all")).total == 5
        # Another tenant's people see nothing, whatever they ask for.
        stranger = Caller("amelia", frozenset({ASSESSORS}), frozenset({"elsewhere"}))
        for named in ({}, {"tenantId": "<default>"}, {"tenant_id": "<default>"}):
            assert (await tasks.page(stranger, "all", filter=named)).total == 0
        assert await tasks.counts(stranger) == {"mine": 0, "team": 0, "standing-in": 0}
        # Delegated tasks are on the owner's list of those.
        await tasks.delegate(amelia, keys[1], "ben")
        assert [one.key for one in (await tasks.page(amelia, "delegated")).items] == [keys[1]]
        assert (await tasks.page(stranger, "delegated")).total == 0
        # Due in two days: without history or a statement all the time is left.
        left = await tasks.slack(newest.items[0])
        assert left is not None
        assert timedelta(days=2) - timedelta(minutes=2) <= left <= timedelta(days=2)
        with pytest.raises(InvalidArgument, match="start"):
            await tasks.page(amelia, "team", after="nonsense")
        # Once something was done, the log knows how long that took.
        await ground.engine.advance(timedelta(minutes=30))
        await tasks.complete(ben, keys[2], {"assessment": {"outcome": "decline", "notes": "does not fit"}})
        if tasks.queue is not None:
            tasks.queue.forget()
            effort = (await tasks.efforts())["claim", "assess-claim"]
            assert effort.measured == 1
            assert timedelta(minutes=30) <= effort.expected < timedelta(minutes=31)


@pytest.mark.parametrize("searches", [False, True], ids=["log", "search"])
async def test_who_is_away_in_another_tenant_is_here(tmp_path: Path, searches: bool) -> None:
    async with office(tmp_path, searches=searches) as ground:
        tasks, now = ground.tasks, ground.engine.clock.now()
        here, elsewhere = frozenset({"<default>"}), frozenset({"elsewhere"})

        def of(user: str, tenants: frozenset[str] | None) -> Caller:
            return Caller(user, person(user).groups, tenants)

        theirs = await tasks.absent(of("lea", elsewhere), "amelia", "ben", now, now + timedelta(days=1))
        key = (await ground.task(await ground.reported(), "assess-claim")).key
        # Nobody here sees it, and nobody here ends it: not even the supervisor, nor whoever has the same name.
        for user in ("lea", "amelia", "ben"):
            assert await tasks.absences(of(user, here)) == []
            with pytest.raises(PermissionDenied, match="not yours to end"):
                await tasks.back(of(user, here), theirs)
        assert [one.id for one in await tasks.absences(of("lea", elsewhere))] == [theirs]
        # And it changes nothing here: not in the service, not in the listener, not in the lists.
        assert (await tasks.assign(of("lea", here), key, "amelia")).assignee == "amelia"
        await ground.client.unassign_user_task(key)
        await ground.client.assign_user_task(key, "amelia")
        assert (await ground.client.get_user_task(key)).assignee == "amelia"
        for tenants in (here, elsewhere, None):
            assert (await tasks.page(of("ben", tenants), "standing-in")).total == 0
        with pytest.raises(PermissionDenied, match="stand in for"):
            await tasks.take_over(of("ben", None), key)
        # An absence of this tenant is one, beside the other.
        ours = await tasks.absent(of("amelia", here), "amelia", "grace", now, now + timedelta(days=1))
        assert [one.id for one in await tasks.absences(of("lea", here))] == [ours]
        assert [[one.key for one in (await tasks.page(of("grace", who), "standing-in")).items] for who in (here, elsewhere, None)] == [
            [key],
            [],
            [key],
        ]
        assert (await tasks.take_over(of("grace", here), key)).assignee == "grace"
        other = (await ground.task(await ground.reported(), "assess-claim")).key
        await ground.client.assign_user_task(other, "amelia")
        assert (await ground.client.get_user_task(other)).assignee == "grace"
        # What was entered for all tenants holds in each, and is nobody's business but that of those in it.
        everybodys = await tasks.absent(of("lea", None), "ben", "grace", now, now + timedelta(days=1))
        assert await tasks.desk.substitute_for("ben", "<default>") == "grace"
        assert everybodys in [one.id for one in await tasks.absences(of("ben", here))]
        assert everybodys not in [one.id for one in await tasks.absences(of("lea", here))]


async def test_people_keep_filters_of_their_own(tmp_path: Path) -> None:
    async with office(tmp_path) as ground:
        tasks, grace = ground.tasks, person("grace")
        await tasks.save_filter(grace, "  large   ones ", {"sort": "priority", "q": "<script>"})
        await tasks.save_filter(grace, "Afternoon", {"due": "overdue"})
        await tasks.save_filter(grace, "large ones", {"sort": "due"})
        # Whichever account she uses, they are hers; and nobody else's.
        for account in (grace, Caller("grace.admin")):
            assert [(one.name, one.query) for one in await tasks.saved_filters(account)] == [
                ("Afternoon", {"due": "overdue"}),
                ("large ones", {"sort": "due"}),
            ]
        assert await tasks.saved_filters(person("ben")) == []
        await tasks.forget_filter(person("ben"), "Afternoon")
        await tasks.forget_filter(grace, "large ones")
        assert [one.name for one in await tasks.saved_filters(grace)] == ["Afternoon"]
        for name in ("", "   ", "x" * 61):
            with pytest.raises(InvalidArgument, match="name"):
                await tasks.save_filter(grace, name, {})
        with pytest.raises(InvalidArgument, match="too long"):
            await tasks.save_filter(grace, "large", {"q": "x" * 5000})
        for number in range(49):
            await tasks.save_filter(grace, f"f{number}", {})
        with pytest.raises(InvalidArgument, match="50 filters"):
            await tasks.save_filter(grace, "one more", {})
