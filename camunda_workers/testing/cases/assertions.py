"""What instructions assert."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from camunda_workers.errors import NotSupported
from camunda_workers.testing.cases import model
from camunda_workers.testing.cases.actions import instant
from camunda_workers.testing.cases.scene import Scene
from camunda_workers.testing.expect import expect, same
from camunda_workers.testing.expect_path import is_subsequence
from camunda_workers.testing.facts import DecisionFact, IncidentFact
from camunda_workers.testing.failures import listed
from camunda_workers.testing.handles import Instance
from camunda_workers.testing.story import value_text


async def check(scene: Scene, one: model.Assertion) -> None:
    """Raise an ExpectationFailed when one assertion does not hold."""
    match one:
        case model.AssertUserTask():
            await _user_task(scene, one)
        case model.AssertDecision():
            await _decision(scene, one)
        case model.AssertIncident():
            await _incident(scene, one)
        case model.AssertProcessInstance() | model.AssertMessageSubscription() | model.AssertVariables() | model.AssertVariable():
            await _instance(scene, one, await scene.instance(one.process_instance_selector))
        case model.AssertElementInstance() | model.AssertElementInstances():
            await _elements(scene, one, await scene.instance(one.process_instance_selector))
        case _:
            assert_never(one)


async def _instance(
    scene: Scene,
    one: model.AssertProcessInstance | model.AssertMessageSubscription | model.AssertVariables | model.AssertVariable,
    instance: Instance,
) -> None:
    expected = expect(instance, timeout=scene.patience)
    match one:
        case model.AssertProcessInstance():
            match one.state:
                case "IS_ACTIVE":
                    await expected.to_be_active()
                case "IS_COMPLETED":
                    await expected.to_be_completed()
                case "IS_TERMINATED":
                    await expected.to_be_terminated()
                case "IS_CREATED" | None:
                    await expected.to_be_created()
            if one.has_active_incidents is not None:
                await (expected.to_have_incident() if one.has_active_incidents else expected.to_have_no_incident())
        case model.AssertMessageSubscription():
            name, key = one.message_selector.message_name, one.message_selector.correlation_key
            match one.state:
                case "IS_WAITING":
                    await expected.to_be_awaiting_message(name, key)
                case "IS_NOT_WAITING":
                    await expected.to_not_be_awaiting_message(name, key)
                case "IS_CORRELATED":
                    await expected.to_have_received_message(name, key)
        case model.AssertVariables():
            element = await scene.element(instance, one.element_selector) if one.element_selector is not None else None
            if one.variable_names:
                await expected.to_have_variable_names(*one.variable_names, element=element)
            if one.variables:
                await expected.to_have_variables(one.variables, element=element)
        case model.AssertVariable():
            if one.satisfies_judge is not None or one.similar_to is not None:
                raise NotSupported("ASSERT_VARIABLE with satisfiesJudge or similarTo asks a language model, and tests here ask none")
            element = await scene.element(instance, one.element_selector) if one.element_selector is not None else None
            await expected.to_have_variable(one.variable_name, element=element)
            if one.satisfies_expression is not None:
                await expected.to_satisfy(one.satisfies_expression, element=element)
        case _:
            assert_never(one)


async def _elements(scene: Scene, one: model.AssertElementInstance | model.AssertElementInstances, instance: Instance) -> None:
    """Elements of this very instance; those of called processes are asserted through their own."""
    selectors = [one.element_selector] if isinstance(one, model.AssertElementInstance) else one.element_selectors
    ids = [await scene.element(instance, selector) for selector in selectors]
    await scene.kit.check_element(instance, *ids)
    wanted = one.state.removeprefix("IS_").lower()
    if one.state in ("IS_NOT_ACTIVE", "IS_NOT_ACTIVATED"):
        await scene.kit.settle()

    def states(state: str) -> list[str]:
        fact = instance.fact()
        return [] if fact is None else [e.element_id for e in fact.elements.values() if e.state == state]

    def holds() -> bool:
        fact = instance.fact()
        if fact is None:
            return False
        if isinstance(one, model.AssertElementInstance):
            return states(wanted).count(ids[0]) == one.amount
        match one.state:
            case "IS_ACTIVE" | "IS_COMPLETED" | "IS_TERMINATED":
                return set(ids) <= set(states(wanted))
            case "IS_NOT_ACTIVE":
                return not set(ids) & set(states("active"))
            case "IS_NOT_ACTIVATED":
                return not set(ids) & {e.element_id for e in fact.elements.values()}
            case "IS_ACTIVE_EXACTLY":
                return set(ids) == set(states("active"))
            case "IS_COMPLETED_IN_ORDER":
                return is_subsequence(ids, fact.path())

    def expected() -> str:
        shown = f"{listed(ids)} to be {wanted.replace('_', ' ')}"
        times = (
            f" {one.amount} times, it is so {states(wanted).count(ids[0])} times" if isinstance(one, model.AssertElementInstance) else ""
        )
        return f"expected {shown}{times}; active: {', '.join(states('active')) or 'none'}"

    await scene.kit.waiting.until(lambda: holds() or None, expected, instance=instance.key, timeout=scene.patience)


async def _user_task(scene: Scene, one: model.AssertUserTask) -> None:
    task = await scene.task(one.user_task_selector)
    expected = expect(task, timeout=scene.patience)
    match one.state:
        case "IS_CREATED":
            await expected.to_be_created()
        case "IS_COMPLETED":
            await expected.to_be_completed()
        case "IS_CANCELED":
            await expected.to_be_canceled()
        case "IS_FAILED":
            raise NotSupported("ASSERT_USER_TASK IS_FAILED: user tasks of this engine have no such state")
        case None:
            pass
    if one.assignee is not None:
        await expected.to_be_assigned_to(one.assignee or None)
    if one.candidate_groups is not None:
        await expected.to_have_candidate_groups(*one.candidate_groups)
    if one.priority is not None:
        await expected.to_have_priority(one.priority)
    if one.element_id is not None:
        await expected.to_have_element_id(one.element_id)
    if one.name is not None:
        await expected.to_have_name(one.name)
    if one.due_date is not None:
        await expected.to_be_due(instant(one.due_date))
    if one.follow_up_date is not None:
        await expected.to_have_follow_up(instant(one.follow_up_date))


async def _decision(scene: Scene, one: model.AssertDecision) -> None:
    selector = one.decision_selector

    def found() -> list[DecisionFact]:
        return [
            d
            for d in scene.kit.journal.decisions
            if selector.decision_definition_id in (None, d.decision_id) and selector.decision_definition_name in (None, d.name)
        ]

    def matches(d: DecisionFact) -> bool:
        return (
            ("output" not in one.model_fields_set or same(d.output, one.output))
            and (one.matched_rules is None or set(one.matched_rules) <= set(d.rules))
            and not set(one.not_matched_rules) & set(d.rules)
            and not (one.no_matched_rules and d.rules)
        )

    def expected() -> str:
        wanted = "" if "output" not in one.model_fields_set else f" to give {value_text(one.output)}"
        wanted += "" if one.matched_rules is None else f" by rules {list(one.matched_rules)}"
        said = "; ".join(f"it gave {value_text(d.output)} by rules {list(d.rules)}" for d in found())
        return f"expected the decision with {selector.text()}{wanted}, but {said or 'it was not evaluated'}"

    await _await(scene, lambda: any(matches(d) for d in found()), expected)


async def _incident(scene: Scene, one: model.AssertIncident) -> None:
    def matches(incident: IncidentFact) -> bool:
        value = incident.value
        return (
            one.state in (None, f"IS_{incident.state.upper()}")
            and one.error_type in (None, value["errorType"])
            and one.error_message in (None, value["errorMessage"])
            and one.element_id in (None, value["elementId"])
        )

    def expected() -> str:
        rows = [
            f"{i.value['errorType']} at '{i.value['elementId']}' ({i.state}): {i.value['errorMessage']}"
            for i in scene.incidents(one.incident_selector)
        ]
        wanted = ", ".join(str(part) for part in (one.state, one.error_type, one.error_message, one.element_id) if part is not None)
        return (
            f"expected an incident with {one.incident_selector.text()} to be {wanted or 'there'}, but there is: {'; '.join(rows) or 'none'}"
        )

    await _await(scene, lambda: any(matches(i) for i in scene.incidents(one.incident_selector)), expected)


async def _await(scene: Scene, holds: Callable[[], bool], expected: Callable[[], str]) -> None:
    await scene.kit.ready()
    await scene.kit.waiting.until(lambda: holds() or None, expected, instance=scene.latest, timeout=scene.patience)
