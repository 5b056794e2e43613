"""A project's ``camunda-workers.toml``: facts about the project. Addresses and secrets come from the environment (see `settings`)."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from camunda_workers.errors import ConfigurationError

PROJECT_FILE = "camunda-workers.toml"
"""The project file's name."""


def _reference(value: str) -> str:
    module, colon, name = value.partition(":")
    if not colon or not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise ValueError(f"'{value}' is not of the form 'package.module:name'")
    return value


Reference = Annotated[str, AfterValidator(_reference)]
"""Something in a module, as ``package.module:name``."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProjectSection(_Section):
    """``[project]``: what the project is called."""

    name: str = Field(default="", description="Shown in titles; the folder's name when empty.")


class DeploySection(_Section):
    """``[deploy]``: what is deployed."""

    paths: list[str] = Field(default_factory=list[str], description="Files and folders, relative to the project file.")


def _split(value: Any) -> Any:
    # From the environment lists come as text.
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


class WorkerOverride(_Section):
    """``[workers.<job type>]``: what goes before the options in the code; what is not given stays. Times are seconds or ISO 8601 (``PT5M``)."""

    enabled: bool | None = Field(default=None, description="Whether the worker runs at all.")
    max_running: int | None = Field(default=None, ge=1, description="How many jobs run at once.")
    timeout: timedelta | None = Field(default=None, gt=timedelta(0), description="How long the engine waits for the outcome.")
    longest: timedelta | None = Field(default=None, gt=timedelta(0), description="After this a job that still runs is failed.")
    retry_back_off: timedelta | None = Field(default=None, ge=timedelta(0), description="The wait after the first failure.")
    retries: int | None = Field(default=None, ge=1, description="The task's retries in the diagram, from which the attempt is counted.")
    stream: bool | None = Field(default=None, description="Whether jobs are pushed as well as fetched.")
    extend: bool | None = Field(default=None, description="Whether a running job's timeout is extended.")
    tenants: Names | None = Field(default=None, description="Whose jobs.")
    fetch_variables: Names | None = Field(default=None, description='Variables to fetch besides the parameters; "*" is all.')
    max_batch: int | None = Field(default=None, ge=1, description="How many jobs one request asks for at most.")
    lease: bool | None = Field(default=None, description="Whether jobs are activated with a lease (8.10).")


class WorkersSection(_Section):
    """``[workers]``: which workers there are, and in ``[workers.<job type>]`` what is different for one."""

    modules: list[Reference] = Field(default_factory=list[str], description='Routers as "package.module:name".')
    overrides: dict[str, WorkerOverride] = Field(default_factory=dict[str, WorkerOverride], description="By job type.")

    @model_validator(mode="before")
    @classmethod
    def _by_type(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = cast("dict[str, Any]", value)
        # A table below [workers] is a worker's; everything else is checked as a key of the section.
        tables: dict[str, Any] = {key: item for key, item in given.items() if isinstance(item, dict)}
        rest: dict[str, Any] = {key: item for key, item in given.items() if key not in tables}
        return {**rest, "overrides": tables}


class DemoSection(_Section):
    """``[demo]``: what ``camunda-workers demo`` runs."""

    run: Reference | None = Field(default=None, description='A function as "package.module:name".')


Amount = Annotated[float, Field(ge=0, allow_inf_nan=True)]


class _Duty(_Section):
    name: str = Field(min_length=1, description="What reasons and records call the rule.")
    process: str | None = Field(default=None, description="The process it is about; every process when not given.")


class SeparateDuty(_Duty):
    """``[[duties.separate]]``: who did one task may not do another one of the same case."""

    tasks: Names = Field(default=(), description="Ids of user tasks: nobody does two of them.")
    task: str | None = Field(default=None, description="Or in one direction: the id of the task ...")
    not_by: Names = Field(default=(), description="... that nobody does who did one of these.")
    again: bool = Field(default=True, description="Whether somebody may do the same task once more (after it was sent back, say).")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        directed, mutual = self.task is not None and bool(self.not_by), bool(self.tasks)
        if directed == mutual or (self.task is None) != (not self.not_by):
            raise ValueError("give either 'tasks', or 'task' with 'not_by'")
        if mutual and len(self.tasks) == 1 and self.again:
            raise ValueError("one task alone keeps nobody apart: name another one, or set again = false")
        return self


class ApprovalsDuty(_Duty):
    """``[[duties.approvals]]``: a task that only several people together complete (N of M)."""

    task: str = Field(description="The user task's id.")
    needed: int = Field(ge=2, le=20, description="How many different people.")
    by: Names = Field(default=(), description="Groups, one of which each of them must be in; any when not given.")
    unless: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="Not where a variable (dotted path) has this value, or one of these."
    )
    agree_on: Names = Field(default=(), description="Variables, by dotted path, that all of them must have set alike.")


class LimitsDuty(_Duty):
    """``[[duties.limits]]``: how much somebody may decide on, by group."""

    tasks: Names = Field(min_length=1, description="Ids of user tasks.")
    amount: str = Field(min_length=1, description="The variable with the amount, by dotted path.")
    limits: dict[str, Amount] = Field(
        min_length=1, description="Group to amount; inf is no limit. Whoever is in none has none to decide on."
    )
    unless: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="Not where a variable (dotted path) has this value, or one of these."
    )


class ConflictDuty(_Duty):
    """``[[duties.conflicts]]``: nobody decides on a case of their own."""

    tasks: Names = Field(default=("*",), description="Ids of user tasks; * is every one.")
    subject: Names = Field(
        min_length=1, description="Variables with the person the case is about, by dotted path: user name, email or name."
    )


class DutyPerson(_Section):
    """``[duties.people."user.name"]``: who somebody is, where the identity provider does not tell."""

    name: str = Field(default="", description="The name in full.")
    email: str = Field(default="", description="Where notifications go; also known as this in conflicts.")
    aliases: Names = Field(default=(), description="Other accounts of the same person.")
    groups: Names = Field(default=(), description="Groups the person is in.")


class DutiesSection(_Section):
    """``[duties]``: rules for people that hold in the inbox, in Tasklist and over the API."""

    listeners: Names = Field(default=("duties",), description="Job types of the diagrams' task listeners that apply these rules.")
    candidates_only: bool = Field(default=False, description="Whether only a task's candidates may have it, where it names some.")
    supervisors: Names = Field(default=(), description="Groups whose members may give tasks to others and take them back.")
    service_accounts: Names = Field(default=(), description="Accounts of programs that act for people: never counted as the person.")
    delegation: bool = Field(default=True, description="Whether tasks may be delegated at all.")
    longest_absence: timedelta = Field(default=timedelta(days=60), gt=timedelta(0), description="How long somebody may be substituted for.")
    people: dict[str, DutyPerson] = Field(default_factory=dict[str, DutyPerson], description="By user name.")
    separate: tuple[SeparateDuty, ...] = ()
    approvals: tuple[ApprovalsDuty, ...] = ()
    limits: tuple[LimitsDuty, ...] = ()
    conflicts: tuple[ConflictDuty, ...] = ()

    @property
    def any_rules(self) -> bool:
        """Whether there is anything to enforce."""
        return bool(self.separate or self.approvals or self.limits or self.conflicts or self.candidates_only)

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        names = [rule.name for rule in (*self.separate, *self.approvals, *self.limits, *self.conflicts)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules are called '{twice[0]}': reasons must say which one")
        return self


class InboxUser(_Section):
    """``[inbox.users."user.name"]``: somebody who may sign in during development; groups of ``[duties.people]`` when none are given."""

    name: str = Field(default="", description="The name in full.")
    groups: Names = ()


class InboxProcess(_Section):
    """``[inbox.processes.<id>]``: what of a case is shown, by dotted paths of variables."""

    title: str = Field(default="", description="What a case is called in lists, beside its business id.")
    amount: str = Field(default="", description="The amount it is about.")
    facts: dict[str, str] = Field(default_factory=dict[str, str], description="The case at a glance: path to label.")


class InboxSection(_Section):
    """``[inbox]``: the inbox of ``camunda-workers up``."""

    people: Reference | None = Field(default=None, description="Further users: objects with name and groups, as package.module:name.")
    users: dict[str, InboxUser] = Field(default_factory=dict[str, InboxUser], description="By user name.")
    operators: Names = Field(default=(), description="Groups that see every case and its incidents.")
    reasons: Names = Field(default=("facts-wrong", "facts-missing", "policy", "experience"), description="Reasons to override an agent.")
    advice: str = Field(default="triage", description="The variable with an agent's recommendation.")
    locale: str = Field(default="", description="A folder with further languages (fr.toml), relative to the project file.")
    beside: Reference | None = Field(default=None, description="What 'up' runs beside the workers: package.module:context_manager.")
    processes: dict[str, InboxProcess] = Field(default_factory=dict[str, InboxProcess], description="By process id.")


class ProjectFile(_Section):
    """A project's ``camunda-workers.toml``."""

    project: ProjectSection = Field(default_factory=ProjectSection)
    deploy: DeploySection = Field(default_factory=DeploySection)
    workers: WorkersSection = Field(default_factory=WorkersSection)
    demo: DemoSection = Field(default_factory=DemoSection)
    duties: DutiesSection = Field(default_factory=DutiesSection)
    inbox: InboxSection = Field(default_factory=InboxSection)

    _path: Path = PrivateAttr(default=Path(PROJECT_FILE))

    @property
    def path(self) -> Path:
        """The file itself, absolute."""
        return self._path

    @property
    def root(self) -> Path:
        """The folder the file lies in: what its paths are relative to and what its modules are imported from."""
        return self._path.parent

    @property
    def name(self) -> str:
        """The project's name, or its folder's."""
        return self.project.name or self.root.name

    def deploy_paths(self) -> list[Path]:
        """``[deploy] paths`` as absolute paths."""
        return [self.root / path for path in self.deploy.paths]


def find_project_file(start: Path | None = None) -> Path | None:
    """The nearest ``camunda-workers.toml`` in a folder or above it; the current folder when none is given."""
    folder = (start or Path.cwd()).resolve()
    return next((found for parent in (folder, *folder.parents) if (found := parent / PROJECT_FILE).is_file()), None)


def load_project(path: Path | str | None = None) -> ProjectFile:
    """Read a project file.

    Args:
        path: the file, or a folder it lies in or above; the current folder when none is given.

    Raises:
        ConfigurationError: there is none, or it is wrong; the text names the file, the key and what to do.
    """
    given = Path(path) if path is not None else None
    file = given.resolve() if given is not None and not given.is_dir() else find_project_file(given)
    if file is None or not file.is_file():
        raise ConfigurationError(
            f"no {PROJECT_FILE} found in {(given or Path.cwd()).resolve()} or above: go to your project's folder, or make one with 'camunda-workers new'"
        )
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: is not UTF-8 text; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: is not TOML: {error}") from error
    try:
        project = ProjectFile.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError("; ".join(f"{file}: {problem}" for problem in _project_problems(error))) from error
    project._path = file  # pyright: ignore[reportPrivateUsage]
    return project


def _project_problems(error: ValidationError) -> list[str]:
    result: list[str] = []
    for problem in error.errors(include_url=False):
        section, *rest = [str(part) for part in problem["loc"]]
        key = f"[{section}] {'.'.join(rest)}".strip()
        if problem["type"] == "extra_forbidden":
            model = ProjectFile.model_fields[section].annotation if rest else ProjectFile
            known = ", ".join(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else ""
            result.append(f"{key} is not known here; known: {known}")
        else:
            result.append(f"{key}: {problem['msg'].removeprefix('Value error, ')}")
    return result
