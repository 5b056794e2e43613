"""``camunda-workers.toml`` about people: duties, tasks and the inbox."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from camunda_workers.project_values import Names, Reference, Section

LONGEST_MAILBOX = 19
"""Characters of the part before the @: with a token behind it, no address may have more than 64 there."""

Amount = Annotated[float, Field(ge=0, allow_inf_nan=True)]


class _Duty(Section):
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
    up_to: dict[str, Amount] = Field(
        default_factory=dict[str, Amount], description="Not where a variable (dotted path) is a number from 0 up to this one."
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


class DutyPerson(Section):
    """``[duties.people."user.name"]``: who somebody is, where the identity provider does not tell."""

    name: str = Field(default="", description="The name in full.")
    email: str = Field(default="", description="Where notifications go; also known as this in conflicts.")
    aliases: Names = Field(default=(), description="Other accounts of the same person.")
    groups: Names = Field(default=(), description="Groups the person is in.")


class DutiesSection(Section):
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


class TasksSection(Section):
    """``[tasks]``: how long tasks take, and when people hear of what is due."""

    expected: dict[str, timedelta] = Field(
        default_factory=dict[str, timedelta],
        description="Work from taking a task to completing it, by element or process/element (PT2H); measured in the log otherwise.",
    )
    remind_before: timedelta = Field(default=timedelta(hours=4), ge=timedelta(0), description="How long before it is due a task is news.")
    digest_at: time | None = Field(default=None, description="When everybody's daily digest goes out (07:00); none when not given.")
    time_zone: str = Field(default="UTC", description="In which that is, as in the IANA time zone database (Europe/Berlin).")
    language: str = Field(default="en", description="Of notifications.")

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone '{value}'") from error
        return value


class NotificationsSection(Section):
    """``[notifications]``: deciding by answering a mail. Off unless both ``reply_to`` and ``trusted_results`` are given."""

    reply_to: str = Field(default="", description="The mailbox that answers go to, as the part before a +: approvals@office.example.")
    trusted_results: Names = Field(
        default=(), description="Whose Authentication-Results are believed (RFC 8601): the authserv-id of your own mail server."
    )
    reply_within: timedelta = Field(default=timedelta(days=3), gt=timedelta(0), description="How long a mail may be answered.")
    listen: str = Field(
        default="",
        description="Where answers are taken from your mail server: lmtp://127.0.0.1:8024, smtp://127.0.0.1:8025 or lmtp:///a/socket.",
    )
    largest_reply: int = Field(default=262_144, ge=1_024, le=10_485_760, description="Bytes of a mail; a larger one is refused.")
    decisions: dict[str, str] = Field(
        default_factory=dict[str, str], description="The deciding field by element or process/element, where the form has several."
    )

    @field_validator("reply_to")
    @classmethod
    def _mailbox(cls, value: str) -> str:
        local, at, domain = value.rpartition("@")
        if value and (not at or not local or not domain or "+" in local or len(local) > LONGEST_MAILBOX or not value.isascii()):
            raise ValueError(
                f"'{value}' is no mailbox: name@domain in ASCII, without a +, the name of {LONGEST_MAILBOX} characters at most"
            )
        return value

    @field_validator("listen")
    @classmethod
    def _near(cls, value: str) -> str:
        address = urlsplit(value)
        if value and (
            address.scheme not in ("lmtp", "smtp")
            or not ((address.hostname is None and address.path) or (address.hostname in ("127.0.0.1", "localhost", "::1") and address.port))
        ):
            raise ValueError(
                f"'{value}': answers are taken on this machine only (lmtp://127.0.0.1:8024, or a socket), from the mail server that checked them"
            )
        return value

    @property
    def takes_replies(self) -> bool:
        """Whether a mail may be answered with a decision."""
        return bool(self.reply_to and self.trusted_results)


class InboxUser(Section):
    """``[inbox.users."user.name"]``: somebody who may sign in during development; groups of ``[duties.people]`` when none are given."""

    name: str = Field(default="", description="The name in full.")
    groups: Names = ()


class InboxProcess(Section):
    """``[inbox.processes.<id>]``: what of a case is shown, by dotted paths of variables."""

    title: str = Field(default="", description="What a case is called in lists, beside its business id.")
    amount: str = Field(default="", description="The amount it is about.")
    facts: dict[str, str] = Field(default_factory=dict[str, str], description="The case at a glance: path to label.")
    sensitive_when: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="A case is sensitive where a variable (dotted path) has this value, or one of these."
    )


class OidcSection(Section):
    """``[inbox.oidc]``: who people are says an OpenID Connect provider. The client's secret is in the environment."""

    issuer: str = Field(min_length=1, description="The provider's address, as its discovery document says it.")
    client_id: str = Field(min_length=1, description="What the inbox is called there.")
    name: str = Field(default="", description="What people know the provider as; on the sign-in button.")
    scopes: Names = Field(
        default=("openid", "profile", "email"), description="What is asked for; offline_access where refresh tokens need it."
    )
    user_claim: str = Field(default="preferred_username", description="The claim with the user name: what tasks are assigned to.")
    name_claim: str = Field(default="name", description="The claim with the name in full.")
    groups_claim: str = Field(default="groups", description="The claim with the groups, by dotted path: matched with candidate groups.")
    tenants_claim: str = Field(default="", description="The claim with the tenants; without it there are no tenants.")

    @field_validator("issuer")
    @classmethod
    def _over_tls(cls, value: str) -> str:
        address = urlsplit(value)
        if address.scheme != "https" and not (address.scheme == "http" and address.hostname in ("127.0.0.1", "localhost", "::1")):
            raise ValueError(f"'{value}' is not an https address: whoever could read or change the way there could be anybody")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _openid(self) -> Self:
        if "openid" not in self.scopes:
            raise ValueError("scopes must have 'openid': without it nobody says who signed in")
        return self


class InboxSection(Section):
    """``[inbox]``: the inbox of ``camunda-workers up``."""

    people: Reference | None = Field(default=None, description="Further users: objects with name and groups, as package.module:name.")
    users: dict[str, InboxUser] = Field(default_factory=dict[str, InboxUser], description="By user name.")
    operators: Names = Field(default=(), description="Groups that see every case, its incidents, and how processes run.")
    auditors: Names = Field(default=(), description="Groups that see who has looked at sensitive cases.")
    sensitive: Names = Field(
        default=(), description="Cases whose every view is recorded: process ids, process/element for one user task, form:id for one form."
    )
    oidc: OidcSection | None = Field(default=None, description="People sign in at a provider; development users only where not given.")
    reasons: Names = Field(default=("facts-wrong", "facts-missing", "policy", "experience"), description="Reasons to override an agent.")
    advice: str = Field(default="triage", description="The variable with an agent's recommendation.")
    language: str = Field(
        default="",
        pattern=r"^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*)?$",
        description="The language of the project's own texts (forms, names, an agent's rationale), as en or pt-BR: how screen readers speak them.",
    )
    locale: str = Field(default="", description="A folder with further languages (fr.toml), relative to the project file.")
    beside: Reference | None = Field(default=None, description="What 'up' runs beside the workers: package.module:context_manager.")
    processes: dict[str, InboxProcess] = Field(default_factory=dict[str, InboxProcess], description="By process id.")
