"""The read model: what is, derived from everything that was. Answers in the shapes of Camunda's REST API v2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, select

from camunda_workers.errors import InvalidArgument, NotFound
from camunda_workers.events.entities import ELEMENT_INSTANCE, INCIDENT, PROCESS_INSTANCE, USER_TASK, VARIABLE
from camunda_workers.events.entities_static import DECISION_DEFINITION, DECISION_INSTANCE, JOB, PROCESS_DEFINITION
from camunda_workers.events.filters import Field, Kind, key_value
from camunda_workers.events.log import EventLog
from camunda_workers.events.projections import PROJECTIONS, Projection
from camunda_workers.events.projections.definitions import decision_instances, decisions, forms, processes, requirements
from camunda_workers.events.projections.instances import elements
from camunda_workers.events.projections.user_tasks import user_tasks
from camunda_workers.events.projections.work import variables
from camunda_workers.events.projector import ensure_tables, fold_some, forget, is_current
from camunda_workers.events.search import Entity, Filter, Page, Sort, search
from camunda_workers.events.shapes import innermost, input_shown, rule_shown, with_truncation

Found = dict[str, Any]
Key = int | str
T = TypeVar("T")


class ReadModel:
    """Searches over the event log.

    Every query first folds what the log has and the projections have not, so an answer is never behind the log; whoever pumps the log
    regularly (``Pump(..., followers=[read_model])``) keeps that short. Searches take the ``filter``, ``sort`` and ``page`` of the REST
    request and return ``{"items": [...], "page": {...}}``; the getters raise NotFound. Keys may be numbers or text.

    Args:
        log: what it is derived from; the tables are in the same database.
        partition: the partition that is read.
        projections: what is kept.
    """

    def __init__(self, log: EventLog, *, partition: int = 1, projections: Sequence[Projection] = PROJECTIONS) -> None:
        self._database = log.database
        self._partition = partition
        self._projections = tuple(projections)
        self._prepared = False

    async def catch_up(self) -> int:
        """Fold what is new; how many records were read for it."""
        if not self._prepared:
            await self._database.write(lambda connection: ensure_tables(connection, self._projections))
            self._prepared = True
        if await self._database.read(lambda connection: is_current(connection, self._projections, self._partition)):
            return 0
        read, more = 0, True
        while more:
            count, more = await self._database.write(lambda connection: fold_some(connection, self._projections, self._partition))
            read += count
        return read

    async def rebuild(self, name: str | None = None) -> None:
        """Forget what was folded and fold it again from the first record.

        Args:
            name: one projection; ``None`` for all.

        Raises:
            InvalidArgument: there is no projection of that name.
        """
        chosen = [projection for projection in self._projections if name in {None, projection.name}]
        if not chosen:
            raise InvalidArgument(
                f"there is no projection '{name}'; known are {', '.join(projection.name for projection in self._projections)}"
            )
        await self.catch_up()

        def forget_all(connection: Connection) -> None:
            for projection in chosen:
                forget(connection, projection)

        await self._database.write(forget_all)
        await self.catch_up()

    async def search_user_tasks(self, filter: Filter | None = None, sort: Sort | None = None, page: Page | None = None) -> Found:
        """``POST /user-tasks/search``."""
        return await self.search(USER_TASK, filter, sort, page)

    async def search_process_instances(self, filter: Filter | None = None, sort: Sort | None = None, page: Page | None = None) -> Found:
        """``POST /process-instances/search``."""
        return await self.search(PROCESS_INSTANCE, filter, sort, page)

    async def search_incidents(self, filter: Filter | None = None, sort: Sort | None = None, page: Page | None = None) -> Found:
        """``POST /incidents/search``."""
        return await self.search(INCIDENT, filter, sort, page)

    async def search_element_instances(self, filter: Filter | None = None, sort: Sort | None = None, page: Page | None = None) -> Found:
        """``POST /element-instances/search``."""
        return await self.search(ELEMENT_INSTANCE, filter, sort, page)

    async def search_jobs(self, filter: Filter | None = None, sort: Sort | None = None, page: Page | None = None) -> Found:
        """``POST /jobs/search``."""
        return await self.search(JOB, filter, sort, page)

    async def search_process_definitions(self, filter: Filter | None = None, sort: Sort | None = None, page: Page | None = None) -> Found:
        """``POST /process-definitions/search``."""
        return await self.search(PROCESS_DEFINITION, filter, sort, page)

    async def search_decision_definitions(self, filter: Filter | None = None, sort: Sort | None = None, page: Page | None = None) -> Found:
        """``POST /decision-definitions/search``."""
        return await self.search(DECISION_DEFINITION, filter, sort, page)

    async def search_decision_instances(self, filter: Filter | None = None, sort: Sort | None = None, page: Page | None = None) -> Found:
        """``POST /decision-instances/search``."""
        return await self.search(DECISION_INSTANCE, filter, sort, page)

    async def search_variables(
        self, filter: Filter | None = None, sort: Sort | None = None, page: Page | None = None, *, truncate: bool = True
    ) -> Found:
        """``POST /variables/search``; long values are cut, as there, unless ``truncate`` is off."""
        return with_truncation(await self.search(VARIABLE, filter, sort, page), truncate=truncate)

    async def search_user_task_variables(
        self,
        user_task_key: Key,
        filter: Filter | None = None,
        sort: Sort | None = None,
        page: Page | None = None,
        *,
        truncate: bool = True,
        effective: bool = False,
    ) -> Found:
        """``POST /user-tasks/{key}/variables/search``: what is in the task's scope and those around it.

        With ``effective`` (``POST /user-tasks/{key}/effective-variables/search``) only what the task sees: of one name the innermost.

        Raises:
            NotFound: there is no such user task.
        """
        task = await self.get_user_task(user_task_key)
        start, end = int(task["elementInstanceKey"]), int(task["processInstanceKey"])

        def find(connection: Connection) -> Found:
            scopes: list[int] = []
            scope: int | None = start
            while scope is not None and scope not in (end, *scopes):
                scopes.append(scope)
                scope = connection.scalar(select(elements.c.scope_key).where(elements.c.key == scope))
            condition = variables.c.scope_key.in_([*scopes, end])
            if effective:
                condition = variables.c.key.in_(innermost(connection, [*scopes, end]))
            return search(connection, VARIABLE, filter, sort, page, conditions=[condition])

        return with_truncation(await self._database.read(find), truncate=truncate)

    async def get_user_task(self, key: Key) -> Found:
        """``GET /user-tasks/{key}``."""
        return await self.get(USER_TASK, key)

    async def get_process_instance(self, key: Key) -> Found:
        """``GET /process-instances/{key}``."""
        return await self.get(PROCESS_INSTANCE, key)

    async def get_incident(self, key: Key) -> Found:
        """``GET /incidents/{key}``."""
        return await self.get(INCIDENT, key)

    async def get_element_instance(self, key: Key) -> Found:
        """``GET /element-instances/{key}``."""
        return await self.get(ELEMENT_INSTANCE, key)

    async def get_variable(self, key: Key) -> Found:
        """``GET /variables/{key}``: the whole value."""
        return await self.get(VARIABLE, key)

    async def get_process_definition(self, key: Key) -> Found:
        """``GET /process-definitions/{key}``."""
        return await self.get(PROCESS_DEFINITION, key)

    async def get_decision_definition(self, key: Key) -> Found:
        """``GET /decision-definitions/{key}``."""
        return await self.get(DECISION_DEFINITION, key)

    async def get_decision_instance(self, key: Key) -> Found:
        """``GET /decision-instances/{key}``: with inputs and matched rules."""
        found = await self.get(DECISION_INSTANCE, key)
        evaluation, _, number = str(key).partition("-")
        table = decision_instances.c
        query = select(table.inputs, table.rules).where(table.evaluation_key == int(evaluation), table.number == int(number))
        inputs, rules = await self._database.read(lambda connection: connection.execute(query).one())
        shown = {name: Field(table.inputs, Kind.JSON).shown(value) for name, value in (("inputs", inputs), ("rules", rules))}
        return found | {
            "evaluatedInputs": [input_shown(one) for one in shown["inputs"]],
            "matchedRules": [rule_shown(one) for one in shown["rules"]],
        }

    async def get_process_definition_xml(self, key: Key) -> str:
        """``GET /process-definitions/{key}/xml``."""
        return await self._content(processes.c.xml, processes.c.key, key, "process definition")

    async def get_decision_definition_xml(self, key: Key) -> str:
        """``GET /decision-definitions/{key}/xml``."""
        number = key_value(key, "decisionDefinitionKey")
        query = (
            select(requirements.c.xml).join(decisions, decisions.c.requirements_key == requirements.c.key).where(decisions.c.key == number)
        )
        xml = await self.query(lambda connection: connection.scalar(query))
        if xml is None:
            raise NotFound(f"there is no decision definition with the key {number}")
        return xml

    async def get_decision_requirements_xml(self, key: Key) -> str:
        """``GET /decision-requirements/{key}/xml``."""
        return await self._content(requirements.c.xml, requirements.c.key, key, "decision requirements")

    async def get_form(self, key: Key) -> Found:
        """The form with this key (``FormResult``)."""
        found = await self._form(forms.c.key == key_value(key, "formKey"))
        if found is None:
            raise NotFound(f"there is no form with the key {key}")
        return found

    async def get_user_task_form(self, user_task_key: Key) -> Found | None:
        """``GET /user-tasks/{key}/form``; ``None`` for a task that has no Camunda form."""
        form_key = (await self.get_user_task(user_task_key))["formKey"]
        return None if form_key is None else await self.get_form(form_key)

    async def get_process_definition_start_form(self, key: Key) -> Found | None:
        """``GET /process-definitions/{key}/form``; ``None`` for a process without one."""
        definition = await self.get_process_definition(key)
        query = select(processes.c.start_form_id).where(processes.c.key == int(definition["processDefinitionKey"]))
        form_id = await self._database.read(lambda connection: connection.scalar(query))
        return None if form_id is None else await self._form(forms.c.form_id == form_id, forms.c.tenant_id == definition["tenantId"])

    async def completed_by(self, process_instance_key: Key) -> dict[str, list[str]]:
        """Who completed which task (element id) of a process instance, for rules such as segregation of duties."""
        table, number = user_tasks.c, key_value(process_instance_key, "processInstanceKey")
        query = (
            select(table.element_id, table.completed_by)
            .where(table.process_instance_key == number, table.completed_by.is_not(None))
            .order_by(table.key)
        )
        result: dict[str, list[str]] = {}
        for element_id, user in await self.query(lambda connection: connection.execute(query).all()):
            result.setdefault(element_id, []).append(user)
        return result

    async def search(
        self,
        entity: Entity,
        filter: Filter | None = None,
        sort: Sort | None = None,
        page: Page | None = None,
        *,
        conditions: Sequence[ColumnElement[bool]] = (),
    ) -> Found:
        """Search for one kind of thing; see :func:`camunda_workers.events.search.search`."""
        return await self.query(lambda connection: search(connection, entity, filter, sort, page, conditions=conditions))

    async def query(self, read: Callable[[Connection], T]) -> T:
        """Return what ``read`` finds in the tables, after everything that is in the log."""

        def if_current(connection: Connection) -> tuple[T] | None:
            return (read(connection),) if is_current(connection, self._projections, self._partition) else None

        # Mostly there is nothing to fold: whether there is and what was asked for are one visit to the database.
        found = await self._database.read(if_current) if self._prepared else None
        if found is not None:
            return found[0]
        await self.catch_up()
        return await self._database.read(read)

    async def get(self, entity: Entity, key: Key) -> Found:
        """Return the one with this key.

        Raises:
            NotFound: there is none.
        """
        field = entity.fields[entity.key_field]
        asked = key_value(key, entity.key_field) if field.kind is Kind.KEY else str(key)
        found = await self.query(lambda connection: search(connection, entity, conditions=[field.column == asked]))
        if not found["items"]:
            raise NotFound(f"there is no {entity.name} with the key {key}")
        return found["items"][0]

    async def _content(self, content: ColumnElement[Any], column: ColumnElement[Any], key: Key, name: str) -> str:
        query = select(content).where(column == key_value(key, "key"))
        text = await self.query(lambda connection: connection.scalar(query))
        if text is None:
            raise NotFound(f"there is no {name} with the key {key}")
        return text

    async def _form(self, *conditions: ColumnElement[bool]) -> Found | None:
        table = forms.c
        columns = (table.key, table.form_id, table["schema"], table.version, table.tenant_id)
        query = select(*columns).where(*conditions, table.state == "ACTIVE").order_by(table.version.desc()).limit(1)
        row = await self.query(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            return None
        return {"formKey": str(row[0]), "formId": row[1], "schema": row[2], "version": row[3], "tenantId": row[4]}
