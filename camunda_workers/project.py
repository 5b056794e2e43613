"""A project's ``camunda-workers.toml``: facts about the project. Addresses and secrets come from the environment (see `settings`)."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from pydantic import (
    BaseModel,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from camunda_workers.errors import ConfigurationError
from camunda_workers.project_people import DutiesSection, InboxSection, NotificationsSection, TasksSection
from camunda_workers.project_values import Names, Reference, Section

PROJECT_FILE = "camunda-workers.toml"
"""The project file's name."""


class ProjectSection(Section):
    """``[project]``: what the project is called."""

    name: str = Field(default="", description="Shown in titles; the folder's name when empty.")


class DeploySection(Section):
    """``[deploy]``: what is deployed."""

    paths: list[str] = Field(default_factory=list[str], description="Files and folders, relative to the project file.")


class WorkerOverride(Section):
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


class WorkersSection(Section):
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


class DemoSection(Section):
    """``[demo]``: what ``camunda-workers demo`` runs."""

    run: Reference | None = Field(default=None, description='A function as "package.module:name".')


class ProjectFile(Section):
    """A project's ``camunda-workers.toml``."""

    project: ProjectSection = Field(default_factory=ProjectSection)
    deploy: DeploySection = Field(default_factory=DeploySection)
    workers: WorkersSection = Field(default_factory=WorkersSection)
    demo: DemoSection = Field(default_factory=DemoSection)
    duties: DutiesSection = Field(default_factory=DutiesSection)
    tasks: TasksSection = Field(default_factory=TasksSection)
    notifications: NotificationsSection = Field(default_factory=NotificationsSection)
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
