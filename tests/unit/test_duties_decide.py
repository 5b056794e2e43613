"""The rules of [duties]: pure decisions over facts, each with its reason."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pydantic import ValidationError

from camunda_workers.errors import ConfigurationError
from camunda_workers.project_people import DutiesSection
from camunda_workers.tasks.duties import Deed, Facts, People, Question, Vote, decide
from camunda_workers.tasks.duties.identity import folded

PEOPLE: dict[str, dict[str, Any]] = {
    "grace": {"name": "Grace  Lindqvist", "email": "grace@office.example", "aliases": ["g.admin"], "groups": ["assessors", "approvers"]},
    "ada": {"groups": ["assessors"]},
    "bob": {"groups": ["approvers"]},
    "cleo": {"groups": ["approvers", "directors"]},
}


def section(**rules: Any) -> DutiesSection:
    return DutiesSection.model_validate({"people": PEOPLE, **rules})


def ask(user: str, element: str = "approve", action: Literal["assign", "complete"] = "complete", **more: Any) -> Question:
    return Question(action, user, "claim", element, 10, **more)


def groups(user: str) -> frozenset[str]:
    person = section().people.get(People(section()).one(user))
    return frozenset(person.groups) if person is not None else frozenset()


def deed(*people: str, element: str = "assess", key: int = 1, process: str = "claim") -> Deed:
    return Deed(process, element, key, people)


APART = section(separate=[{"name": "apart", "process": "claim", "tasks": ["assess", "approve"]}])


@pytest.mark.parametrize("action", ["assign", "complete"])
@pytest.mark.parametrize("name", ["grace", " Grace", "GRACE", "ｇｒａｃｅ", "gr\u200bace", "g.admin", "G.Admin"])
def test_who_did_one_task_does_not_do_the_other_under_any_name(action: Literal["assign", "complete"], name: str) -> None:
    decision = decide(APART, ask(name, action=action), Facts((deed("ada"), deed("grace", key=2))))
    assert not decision.allowed
    assert "already completed 'assess'" in decision.text
    assert "rule 'apart'" in decision.text
    assert decide(APART, ask("bob", action=action), Facts((deed("ada"), deed("grace", key=2)))).allowed
    # And the other way round, after a claim was sent back.
    assert not decide(APART, ask("bob", "assess", action), Facts((deed("bob", element="approve"),))).allowed


def test_every_part_in_a_task_counts_and_the_unknown_is_kept_away() -> None:
    assert not decide(APART, ask("bob"), Facts((deed("ada", "bob"),))).allowed
    for unknown in (deed(""), deed("ada", ""), deed()):
        decision = decide(APART, ask("bob"), Facts((unknown,)))
        assert "not known who completed 'assess'" in decision.text
    assert decide(APART, ask("bob"), Facts((deed("bob", process="other"),))).allowed
    assert decide(APART, ask("bob"), Facts((deed("bob", key=10),))).allowed


def test_delegation_lends_hands_not_eyes() -> None:
    facts = Facts((deed("ada"),))
    assert "for whom bob would act" in decide(APART, ask("bob", behalf=("ada",)), facts).text
    assert not decide(APART, ask("ada", behalf=("bob",)), facts).allowed
    assert decide(APART, ask("bob", behalf=("cleo",)), facts).allowed
    forbidden = section(delegation=False)
    assert "may not be delegated" in decide(forbidden, ask("bob", behalf=("cleo",)), Facts()).text


def test_only_who_has_a_task_completes_it() -> None:
    rules = section(service_accounts=["inbox"])
    assert "ada cannot complete it" in decide(rules, ask("bob", actor="ada"), Facts()).text
    for actor in ("bob", "Bob", "inbox", None):
        assert decide(rules, ask("bob", actor=actor), Facts()).allowed
    assert not decide(rules, ask(""), Facts()).allowed
    assert decide(rules, ask("", action="assign"), Facts()).allowed
    # Who makes the call has a part in it, where they are not the one who has the task.
    assert not decide(APART, ask("bob", actor="ada"), Facts((deed("ada"),))).allowed


def test_one_direction_and_once_only() -> None:
    one_way = section(separate=[{"name": "one way", "task": "approve", "not_by": ["assess"]}])
    assert not decide(one_way, ask("ada"), Facts((deed("ada"),))).allowed
    assert decide(one_way, ask("bob", "assess"), Facts((deed("bob", element="approve"),))).allowed
    once = section(separate=[{"name": "once", "tasks": ["approve"], "again": False}])
    assert not decide(once, ask("bob"), Facts((deed("bob", element="approve"),))).allowed
    assert decide(once, ask("cleo"), Facts((deed("bob", element="approve"),))).allowed


APPROVALS = section(
    approvals=[
        {
            "name": "two",
            "task": "approve",
            "needed": 2,
            "by": ["approvers"],
            "agree_on": ["outcome", "amount"],
            "unless": {"outcome": ["reject"]},
        }
    ],
    separate=[{"name": "apart", "tasks": ["assess", "approve"]}],
)
YES: dict[str, Any] = {"outcome": "approve", "amount": 5}


def vote(person: str, key: int = 10, **agreed: Any) -> Vote:
    return Vote("claim", "approve", key, person, agreed or YES)


def test_several_approve_together() -> None:
    first = decide(APPROVALS, ask("bob"), Facts(variables=YES, groups=groups("bob")))
    assert not first.allowed
    assert first.vote == vote("bob")
    assert "1 of 2 approvals: 1 more person has to approve" in first.text

    def second(user: str, *votes: Vote, **variables: Any) -> Any:
        return decide(APPROVALS, ask(user), Facts(votes=votes, variables=variables or YES, groups=groups(user)))

    assert second("cleo", vote("bob")).allowed
    for not_enough in (
        second("bob", vote("bob")),
        second("Bob", vote("bob")),
        second("g.admin", vote("grace")),
        second("cleo", vote("bob", key=11)),
        second("cleo", vote("bob", outcome="approve", amount=6)),
        second("cleo", vote("bob", outcome="approve")),
    ):
        assert not not_enough.allowed
        assert not_enough.vote is not None
    assert second("cleo", outcome="reject", amount=5).allowed
    for outsider in ("ada", "stranger"):
        denied = second(outsider, vote("bob"))
        assert (denied.allowed, denied.vote) == (False, None)
    # What another rule denies counts for nothing; and whoever approved, without completing, has approved.
    apart = decide(APPROVALS, ask("bob"), Facts((deed("bob"),), (), YES, groups("bob")))
    assert (apart.allowed, apart.vote) == (False, None)
    assert not decide(APPROVALS, Question("complete", "bob", "claim", "assess", 11), Facts(votes=(vote("bob"),))).allowed
    assert decide(APPROVALS, ask("bob", action="assign"), Facts()).allowed


@pytest.mark.parametrize("amount", [0, 5, 7.5, 1000])
def test_what_is_small_takes_one_person(amount: float) -> None:
    rule = {"name": "two", "task": "approve", "needed": 2, "up_to": {"decision.amount": 1000}}
    decision = decide(section(approvals=[rule]), ask("bob"), Facts(variables={"decision": {"amount": amount}}))
    assert decision.allowed
    assert "does not apply" in decision.reasons[-1].text


@pytest.mark.parametrize("amount", [1000.01, 5000, -5, True, "5", None, [], {}, math.nan, -math.inf, math.inf])
def test_nothing_but_a_small_number_is_small(amount: object) -> None:
    rule = {"name": "two", "task": "approve", "needed": 2, "up_to": {"decision.amount": 1000}}
    for variables in ({"decision": {"amount": amount}}, {"decision": amount}, {}):
        decision = decide(section(approvals=[rule]), ask("bob"), Facts(variables=variables))
        assert not decision.allowed
        assert decision.vote is not None


@pytest.mark.parametrize(
    ("before", "submitted", "allowed"),
    [
        ({"amount": 500}, {"amount": 1}, False),
        ({"amount": 500}, {"amount": "1"}, False),
        ({"amount": "500"}, {"amount": 1}, False),
        ({"amount": 50}, {"amount": 1}, True),
        ({"amount": 1}, {"amount": 500}, False),
        ({"amount": None}, {"amount": 1}, True),
        ({}, {"amount": 1}, True),
        ({"amount": 500, "kind": "private"}, {"kind": "internal"}, False),
        ({"amount": 500, "kind": "internal"}, {}, True),
        ({"amount": 500}, {"kind": "internal"}, True),
    ],
)
def test_no_rule_is_taken_out_by_what_comes_with_the_completion(before: dict[str, Any], submitted: dict[str, Any], allowed: bool) -> None:
    rule = {"name": "two", "task": "approve", "needed": 2, "up_to": {"amount": 100}, "unless": {"kind": ["internal"]}}
    facts = Facts(variables={**before, **submitted}, replaced=(before,))
    assert decide(section(approvals=[rule]), ask("bob"), facts).allowed is allowed


def test_the_larger_amount_and_both_subjects_count() -> None:
    rules = section(
        limits=[{"name": "limit", "tasks": ["approve"], "amount": "amount", "limits": {"approvers": 100}}],
        conflicts=[{"name": "own", "subject": ["customer"]}],
    )

    def answer(user: str, before: dict[str, Any], after: dict[str, Any]) -> bool:
        return decide(rules, ask(user), Facts(variables={**before, **after}, groups=frozenset({"approvers"}), replaced=(before,))).allowed

    assert answer("bob", {"amount": 90, "customer": "robin"}, {"amount": 80})
    assert not answer("bob", {"amount": 900, "customer": "robin"}, {"amount": 80})
    assert not answer("bob", {"amount": -900, "customer": "robin"}, {"amount": 80})
    assert not answer("bob", {"amount": 90, "customer": "bob"}, {"customer": "robin"})
    odd_ones: list[Any] = [10**400, -(10**400), "80", "80 EUR", {"value": 80, "currency": "JPY"}, math.nan, math.inf, True, None, []]
    for odd in odd_ones:
        assert not answer("bob", {"customer": "robin"}, {"amount": odd}), odd


@pytest.mark.parametrize("name", ["gr\u0430ce", "\u0261race", "gr\u03b1ce", "\u0430da", "\u0410DA", "\u0430\u0501\u0430", "zo\u0435"])
@pytest.mark.parametrize("action", ["assign", "complete"])
def test_a_name_in_other_letters_is_nobodys(action: Literal["assign", "complete"], name: str) -> None:
    decision = decide(APART, ask(name, action=action), Facts((deed("ada"), deed("grace", key=2))))
    assert not decision.allowed
    assert "letters" in decision.text
    # Somebody whose name really is of another alphabet is nobody else.
    assert decide(APART, ask("\u0431\u043e\u0440\u0438\u0441", action=action), Facts((deed("ada"), deed("grace", key=2)))).allowed


def test_amounts_are_limited_by_group() -> None:
    limit = {"name": "limit", "tasks": ["approve"], "amount": "decision.amount", "unless": {"outcome": "reject"}}
    limits = section(limits=[{**limit, "limits": {"approvers": 1000, "directors": float("inf")}}])

    def may(user: str, amount: Any, action: Literal["assign", "complete"] = "complete", **more: Any) -> bool:
        return decide(
            limits, ask(user, action=action), Facts(variables={"decision": {"amount": amount}, **more}, groups=groups(user))
        ).allowed

    assert may("bob", 1000)
    assert not may("bob", 1000.01)
    assert not may("bob", -2000)
    assert may("cleo", 10**12)
    assert not may("ada", 1)
    assert may("bob", 5000, outcome="reject")
    for unknown in (None, "5", True, float("nan"), float("inf"), {"amount": 1}):
        assert not may("cleo", unknown), unknown
        assert may("bob", unknown, "assign")
    assert not may("bob", 5000, "assign")
    assert not decide(limits, ask("bob"), Facts(variables={"decision": {"amount": 1}})).allowed


def test_nobody_decides_on_their_own_case() -> None:
    own = section(conflicts=[{"name": "own case", "subject": ["claim.claimant"]}])

    def may(user: str, claimant: Any, **more: Any) -> bool:
        return decide(own, ask(user, **more), Facts(variables={"claim": {"claimant": claimant}})).allowed

    assert may("grace", {"name": "Robin Doe"})
    for herself in ("grace", "G.ADMIN", {"email": "Grace@Office.example"}, {"name": "grace lindqvist"}, [{"id": "x"}, {"user": "grace"}]):
        assert not may("grace", herself), herself
        assert not may("bob", herself, behalf=("grace",))
    for unknown in (None, "", {}, 5, {"name": "  "}):
        assert not may("grace", unknown), unknown


def test_only_candidates_where_the_rules_say_so() -> None:
    strict = section(candidates_only=True)
    wanted: Any = {"candidate_groups": ("approvers",), "candidate_users": ("Ada",)}
    assert decide(strict, ask("bob", **wanted), Facts(groups=groups("bob"))).allowed
    assert decide(strict, ask("ada", **wanted), Facts(groups=frozenset())).allowed
    assert not decide(strict, ask("eve", **wanted), Facts(groups=frozenset({"visitors"}))).allowed
    assert not decide(strict, ask("eve", **wanted), Facts(groups=None)).allowed
    assert decide(strict, ask("eve"), Facts(groups=None)).allowed
    assert decide(section(), ask("eve", **wanted), Facts()).allowed


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"separate": [{"name": "a", "tasks": ["x"]}]}, "keeps nobody apart"),
    ({"separate": [{"name": "a"}]}, "give either"),
    ({"separate": [{"name": "a", "task": "x"}]}, "give either"),
    ({"separate": [{"name": "a", "tasks": ["x", "y"]}, {"name": "a", "tasks": ["y", "z"]}]}, "two rules are called 'a'"),
    ({"approvals": [{"name": "a", "task": "x", "needed": 1}]}, "greater than or equal to 2"),
    ({"limits": [{"name": "a", "tasks": ["x"], "amount": "y", "limits": {}}]}, "at least 1"),
    ({"limits": [{"name": "a", "tasks": ["x"], "amount": "y", "limits": {"g": -1}}]}, "greater than or equal to 0"),
    ({"unknown": 1}, "Extra inputs"),
]


@pytest.mark.parametrize(("rules", "words"), WRONG)
def test_rules_that_say_nothing_are_refused(rules: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        DutiesSection.model_validate(rules)


def test_one_account_is_one_persons() -> None:
    with pytest.raises(ConfigurationError, match="belongs to two people, a and b"):
        People(DutiesSection.model_validate({"people": {"a": {"aliases": ["shared"]}, "b": {"aliases": ["Shared "]}}}))


ACCOUNTS = ["grace", "g.admin", "Grace ", "ada", "bob", "cleo", "ｂｏｂ"]


class Office(RuleBasedStateMachine):
    """People act on one case in any order: claim, delegate, hand back, complete, send back. The decisions are all that stands between them."""

    def __init__(self) -> None:
        super().__init__()
        self.people = People(APART)
        self.deeds: list[Deed] = []
        self.open: dict[str, tuple[int, str | None, tuple[str, ...]]] = {"assess": (1, None, ())}
        self.key = 1

    def may(self, action: Literal["assign", "complete"], element: str, user: str, behalf: tuple[str, ...]) -> bool:
        key = self.open[element][0]
        others = tuple(name for name in behalf if not self.people.same(name, user))
        question = Question(action, user, "claim", element, key, others)
        return decide(APART, question, Facts(tuple(self.deeds)), self.people).allowed

    @rule(element=st.sampled_from(["assess", "approve"]), user=st.sampled_from(ACCOUNTS))
    def assign(self, element: str, user: str) -> None:
        if element in self.open and self.may("assign", element, user, self.open[element][2]):
            key, _, partners = self.open[element]
            self.open[element] = (key, user, partners)

    @rule(element=st.sampled_from(["assess", "approve"]), to=st.sampled_from(ACCOUNTS))
    def delegate(self, element: str, to: str) -> None:
        key, owner, partners = self.open.get(element, (0, None, ()))
        if owner is not None and self.may("assign", element, to, (*partners, owner)):
            self.open[element] = (key, to, (*partners, owner, to))

    @rule(element=st.sampled_from(["assess", "approve"]), parallel=st.booleans())
    def complete(self, element: str, parallel: bool) -> None:
        key, user, partners = self.open.get(element, (0, None, ()))
        if user is None or not self.may("complete", element, user, partners):
            return
        del self.open[element]
        self.deeds.append(Deed("claim", element, key, tuple(dict.fromkeys((user, *partners)))))
        self.key += 2
        self.open["approve" if element == "assess" else "assess"] = (self.key, None, ())
        if parallel:
            self.open.setdefault(element, (self.key + 1, None, ()))

    @precondition(lambda self: bool(self.open))
    @rule(element=st.sampled_from(["assess", "approve"]))
    def give_back(self, element: str) -> None:
        if element in self.open:
            key, _, partners = self.open[element]
            self.open[element] = (key, None, partners)

    @invariant()
    def nobody_does_both(self) -> None:
        did: dict[str, set[str]] = {"assess": set(), "approve": set()}
        for one in self.deeds:
            did[one.element_id] |= {self.people.one(name) for name in one.people}
        assert not did["assess"] & did["approve"], self.deeds


TestNoPathLetsOnePersonDoBoth = Office.TestCase
TestNoPathLetsOnePersonDoBoth.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(st.text(max_size=12))
def test_a_folded_name_is_folded(name: str) -> None:
    assert folded(folded(name)) == folded(name)


@given(
    st.lists(st.sampled_from(["assess", "approve"]), max_size=6), st.lists(st.sampled_from(ACCOUNTS), max_size=6), st.sampled_from(ACCOUNTS)
)
def test_more_facts_never_turn_a_no_into_a_yes(elements: list[str], who: list[str], user: str) -> None:
    deeds = tuple(deed(name, element=element, key=number) for number, (element, name) in enumerate(zip(elements, who, strict=False), 20))
    verdicts = [decide(APART, ask(user), Facts(deeds[:number])).allowed for number in range(len(deeds) + 1)]
    assert verdicts == sorted(verdicts, reverse=True)
