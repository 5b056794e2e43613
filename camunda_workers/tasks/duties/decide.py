"""The rules of ``[duties]``, decided over facts. Pure: the same facts give the same decision, here, in a listener, and a year later in an audit.

When something a rule needs is not known (who completed the other task, somebody's groups, the amount), the answer is no: who cannot be told
apart cannot be kept apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from camunda_workers.project_people import ApprovalsDuty, ConflictDuty, DutiesSection, LimitsDuty, SeparateDuty
from camunda_workers.tasks.duties.facts import Decision, Deed, Facts, Question, Reason, Vote
from camunda_workers.tasks.duties.identity import People, folded, mixes_alphabets
from camunda_workers.tasks.forms.data import MISSING, get, is_number
from camunda_workers.tasks.forms.options import among, same


def decide(section: DutiesSection, question: Question, facts: Facts, people: People | None = None) -> Decision:
    """Decide whether somebody may have or complete a task.

    Args:
        section: the rules.
        question: who, what, for whom.
        facts: what is known.
        people: who is who; as the section says when not given.

    Returns:
        Every rule's answer with its reason.
    """
    who = people or People(section)
    reasons: list[Reason] = []
    vote: Vote | None = None
    if not folded(question.user):
        if question.action == "assign":
            return Decision(True, (Reason("nobody", "caller", True, "the task is given back"),))
        nobody = Reason("nobody", "caller", False, "somebody has to have the task before it is completed: assign it first")
        return Decision(False, (nobody,))
    reasons += _caller(section, question, who)
    if section.any_rules:
        reasons += _impostors(question, facts, who)
    reasons += _candidates(section, question, facts, who)
    for rule in section.separate:
        if _about(rule.process, question):
            reasons += _separate(rule, question, facts, who)
    for rule in section.conflicts:
        if _about(rule.process, question) and (question.element_id in rule.tasks or "*" in rule.tasks):
            reasons.append(_conflict(rule, question, facts, who))
    for rule in section.limits:
        if _about(rule.process, question) and question.element_id in rule.tasks:
            reasons.append(_limit(rule, question, facts))
    clear = all(reason.allowed for reason in reasons)
    for rule in section.approvals:
        if question.action == "complete" and _about(rule.process, question) and question.element_id == rule.task:
            reason, counted = _approvals(rule, question, facts, who)
            reasons.append(reason)
            vote = vote or counted
    allowed = all(reason.allowed for reason in reasons)
    return Decision(allowed, tuple(reasons), vote if clear and not allowed else None)


def _about(process: str | None, question: Question) -> bool:
    return process in (None, question.process_id)


def _parties(question: Question, who: People) -> tuple[str, ...]:
    """Everybody whose doing this would be: delegation lends somebody's hands, not a second pair of eyes."""
    actor = question.actor if question.actor and not who.is_service(question.actor) and question.action == "complete" else None
    return tuple(dict.fromkeys(name for name in (question.user, *question.behalf, actor) if name))


def _caller(section: DutiesSection, question: Question, who: People) -> Iterator[Reason]:
    actor = question.actor
    if question.action == "complete" and actor and not who.is_service(actor) and not who.same(actor, question.user):
        yield Reason("caller", "caller", False, f"{question.user} has the task, so {actor} cannot complete it")
    if question.behalf and not section.delegation:
        yield Reason("delegation", "delegation", False, "tasks may not be delegated here")


def _impostors(question: Question, facts: Facts, who: People) -> Iterator[Reason]:
    """A name in another alphabet's letters is a second name of one person, for everybody who reads it."""
    others = [*(name for deed in facts.deeds for name in deed.people), *(vote.person for vote in facts.votes)]
    for party in _parties(question, who):
        if (like := who.looks_like(party, others)) is not None:
            yield Reason("name", "caller", False, f"'{party}' looks like {like} and is written with other letters")
        elif mixes_alphabets(party):
            yield Reason("name", "caller", False, f"'{party}' is written with letters of several alphabets that look alike")


def _candidates(section: DutiesSection, question: Question, facts: Facts, who: People) -> Iterator[Reason]:
    if not section.candidates_only or not (question.candidate_groups or question.candidate_users):
        return
    if who.among(question.user, question.candidate_users):
        yield Reason("candidates", "candidates", True, f"{question.user} is a candidate")
    elif facts.groups is None:
        yield Reason("candidates", "candidates", False, f"it is not known in which groups {question.user} is")
    else:
        shared = facts.groups & set(question.candidate_groups)
        text = f"{question.user} is in {min(shared)}" if shared else f"the task is for {', '.join(question.candidate_groups)}"
        yield Reason("candidates", "candidates", bool(shared), text)


def _separate(rule: SeparateDuty, question: Question, facts: Facts, who: People) -> Iterator[Reason]:
    if rule.task is not None:
        others = set(rule.not_by) if question.element_id == rule.task else set[str]()
    elif question.element_id in rule.tasks:
        others = set(rule.tasks) - (set[str]() if not rule.again else {question.element_id})
    else:
        others = set[str]()
    if not others:
        return
    voted = [Deed(vote.process_id, vote.element_id, vote.task_key, (vote.person,)) for vote in facts.votes]
    parties = _parties(question, who)
    for deed in (*facts.deeds, *voted):
        if deed.element_id not in others or deed.task_key == question.task_key or rule.process not in (None, deed.process_id):
            continue
        if not deed.people or not all(map(folded, deed.people)):
            yield Reason(
                rule.name, "separate", False, f"it is not known who completed '{deed.element_id}', so nobody can be kept apart from them"
            )
            return
        for party in parties:
            if who.among(party, deed.people):
                hands = "" if party == question.user else f", for whom {question.user} would act,"
                text = f"{party}{hands} already completed '{deed.element_id}': somebody else has to decide here"
                yield Reason(rule.name, "separate", False, text)
                return
    yield Reason(rule.name, "separate", True, f"{question.user} did none of {', '.join(sorted(others))} in this case")


def _conflict(rule: ConflictDuty, question: Question, facts: Facts, who: People) -> Reason:
    subjects: list[str] = []
    for path in rule.subject:
        for value in facts.values_at(path):
            found = [name for name in _texts(value) if folded(name)]
            if not found:
                return Reason(rule.name, "conflicts", False, f"it is not known whom the case is about: '{path}' is empty")
            subjects += found
    for party in _parties(question, who):
        known = who.known_as(party)
        if any(" ".join(folded(name).split()) in known or who.one(name) in known for name in subjects):
            return Reason(rule.name, "conflicts", False, f"the case is about {party}, who cannot decide on it")
    return Reason(rule.name, "conflicts", True, f"the case is about somebody else than {question.user}")


def _limit(rule: LimitsDuty, question: Question, facts: Facts) -> Reason:
    if skipped := _skipped(rule.unless, facts):
        return Reason(rule.name, "limits", True, skipped)
    amount, *were = facts.values_at(rule.amount)
    # An amount that was larger a moment ago is not made small by whoever completes the task.
    amount = max((amount, *filter(is_number, were)), key=abs) if is_number(amount) else amount
    if not is_number(amount):
        open_yet = question.action == "assign"
        return Reason(
            rule.name, "limits", open_yet, "the amount is not decided yet" if open_yet else f"the amount '{rule.amount}' is not known"
        )
    if facts.groups is None:
        return Reason(rule.name, "limits", False, f"it is not known in which groups {question.user} is")
    limit = max((rule.limits[group] for group in facts.groups if group in rule.limits), default=0.0)
    within = abs(amount) <= limit
    text = f"{question.user} may decide on up to {limit:,.10g}, and this is {amount:,.10g}"
    return Reason(rule.name, "limits", within, text)


def _approvals(rule: ApprovalsDuty, question: Question, facts: Facts, who: People) -> tuple[Reason, Vote | None]:
    if skipped := _skipped(rule.unless, facts) or _small(rule.up_to, facts):
        return Reason(rule.name, "approvals", True, skipped), None
    if rule.by:
        if facts.groups is None:
            return Reason(rule.name, "approvals", False, f"it is not known in which groups {question.user} is"), None
        if not facts.groups & set(rule.by):
            return Reason(rule.name, "approvals", False, f"only members of {', '.join(rule.by)} can approve here"), None
    agreed = {path: None if (value := value_at(facts.variables, path)) is MISSING else value for path in rule.agree_on}
    others = {
        who.one(vote.person)
        for vote in facts.votes
        if vote.task_key == question.task_key and all(same(vote.agreed.get(path), value) for path, value in agreed.items())
    }
    parties = {who.one(party) for party in _parties(question, who)}
    have = len(others - parties) + 1
    if have >= rule.needed:
        return Reason(rule.name, "approvals", True, f"{have} of {rule.needed} people approve"), None
    vote = Vote(question.process_id, question.element_id, question.task_key, question.user, agreed)
    missing = rule.needed - have
    text = f"{have} of {rule.needed} approvals: {missing} more {'person has' if missing == 1 else 'people have'} to approve this"
    return Reason(rule.name, "approvals", False, text), vote


def _skipped(unless: Mapping[str, Any], facts: Facts) -> str:
    """Why a rule is not about this: a variable has a value that takes it out. Absent or odd values never do."""
    for path, wanted in unless.items():
        values = cast("list[Any]", wanted) if isinstance(wanted, list) else [wanted]
        if all(among(value, values) for value in facts.values_at(path)):
            return f"does not apply: '{path}' is {value_at(facts.variables, path)}"
    return ""


def _small(up_to: Mapping[str, float], facts: Facts) -> str:
    """Why a rule is not about this: a variable is a number that is small enough. Anything else than such a number never takes it out."""
    for path, most in up_to.items():
        value = value_at(facts.variables, path)
        if is_number(value) and all(is_number(one) and 0 <= one <= most for one in facts.values_at(path)):
            return f"does not apply: '{path}' is {value:,.10g}, and it is about more than {most:,.10g}"
    return ""


def value_at(variables: Mapping[str, Any], path: str) -> Any:
    """The variable at a dotted path; ``MISSING`` where there is none."""
    return get(variables, tuple(path.split(".")))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _texts(one)
    elif isinstance(value, Mapping):
        for one in cast("Mapping[str, Any]", value).values():
            yield from _texts(one)
