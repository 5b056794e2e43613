"""What is ours about tasks: the engine knows tasks, assignees and variables; everything beside them is in these tables.

Times are milliseconds since 1970 (UTC). Names of people are kept as they were given; comparing them is `People`'s business.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, MetaData, Table, Text, UniqueConstraint

metadata: Final = MetaData()

VERSION: Final = "0005"
"""The newest of the migrations in `camunda_workers.tasks.store.migrations`."""

_Id = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[Any]:
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _key(name: str = "task_key", **options: Any) -> Column[Any]:
    return Column(name, BigInteger, **options)


def _text(name: str, **options: Any) -> Column[Any]:
    return Column(name, Text, nullable=options.pop("nullable", False), **options)


def _time(name: str, **options: Any) -> Column[Any]:
    return Column(name, BigInteger, nullable=options.pop("nullable", False), **options)


drafts = Table(
    "task_drafts",
    metadata,
    _key(primary_key=True, autoincrement=False),
    _text("person", primary_key=True),
    Column("variables", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
    _time("saved_at"),
)

comments = Table(
    "task_comments",
    metadata,
    _id(),
    _key(nullable=False),
    _key("process_instance_key"),
    _text("author"),
    _text("text"),
    Column("mentions", JSON, nullable=False),
    _time("written_at"),
)
Index("task_comments_by_task", comments.c.task_key)

attachments = Table(
    "task_attachments",
    metadata,
    _text("id", primary_key=True),
    _key(nullable=False),
    _key("process_instance_key"),
    _text("name"),
    _text("content_type"),
    Column("size", BigInteger, nullable=False),
    _text("sha256"),
    _text("author"),
    _time("attached_at"),
    # Where an engine's document store has the content; none of the three while our own folder has it.
    _text("store_id", nullable=True),
    _text("document_id", nullable=True),
    _text("content_hash", nullable=True),
)
Index("task_attachments_by_task", attachments.c.task_key)
Index("task_attachments_by_instance", attachments.c.process_instance_key)

delegations = Table(
    "task_delegations",
    metadata,
    _id(),
    _key(nullable=False),
    _text("owner"),
    _text("delegate"),
    # BEGUN until the engine has assigned the task, then OPEN; RESOLVED or WITHDRAWN in the end.
    _text("state"),
    # DELEGATED comes back to the owner; SUBSTITUTED is done by the substitute.
    _text("kind"),
    _text("note"),
    _time("since"),
    _time("ended_at", nullable=True),
)
Index("task_delegations_by_task", delegations.c.task_key)
Index("task_delegations_by_owner", delegations.c.owner, delegations.c.state)

absences = Table(
    "task_absences",
    metadata,
    _id(),
    _text("person"),
    _text("substitute"),
    _time("starts_at"),
    _time("ends_at"),
    _text("note"),
    _text("entered_by"),
    _time("cancelled_at", nullable=True),
    # About the tasks of these tenants; about everybody's where there are none.
    Column("tenants", JSON(none_as_null=True), nullable=True),
)
Index("task_absences_by_person", absences.c.person)

votes = Table(
    "task_votes",
    metadata,
    _key(primary_key=True, autoincrement=False),
    _text("person", primary_key=True),
    _key("process_instance_key"),
    _text("process_id"),
    _text("element_id"),
    Column("agreed", JSON, nullable=False),
    _time("given_at"),
)
Index("task_votes_by_instance", votes.c.process_instance_key)

facts = Table(
    "task_facts",
    metadata,
    _id(),
    _text("kind"),
    _key(),
    _key("process_instance_key"),
    _text("business_id", nullable=True),
    _text("actor"),
    Column("data", JSON, nullable=False),
    _time("at"),
)
Index("task_facts_by_task", facts.c.task_key)

links = Table(
    "task_links",
    metadata,
    # Only a hash: whoever reads this table cannot make a link from it.
    _text("nonce_hash", primary_key=True),
    _key(nullable=False),
    _text("recipient"),
    _text("purpose"),
    _time("expires_at"),
    _time("used_at", nullable=True),
)

replies = Table(
    "task_replies",
    metadata,
    # Only a hash: whoever reads this table cannot make an address from it.
    _text("nonce_hash", primary_key=True),
    _key(nullable=False),
    _text("recipient"),
    # The field, the task's state, and the decisions; signed in the address.
    Column("offer", JSON, nullable=False),
    _time("expires_at"),
    _time("used_at", nullable=True),
    # How many refusals were answered.
    Column("answers", Integer, nullable=False),
)

notices = Table(
    "task_notices",
    metadata,
    _id(),
    _text("kind"),
    _key(),
    _text("recipient"),
    _text("channel"),
    # The same news is sent once, whoever finds it how often.
    _text("once"),
    Column("data", JSON, nullable=False),
    _time("since"),
    _time("sent_at", nullable=True),
    _time("next_try_at"),
    Column("tries", Integer, nullable=False),
    _text("error"),
    UniqueConstraint("once", "recipient", "channel", name="task_notices_once"),
)
Index("task_notices_waiting", notices.c.sent_at, notices.c.next_try_at)

filters = Table(
    "task_filters",
    metadata,
    _text("person", primary_key=True),
    _text("name", primary_key=True),
    Column("query", JSON, nullable=False),
    _time("saved_at"),
)

members = Table(
    "task_members",
    metadata,
    _text("person", primary_key=True),
    Column("groups", JSON, nullable=False),
    _time("seen_at"),
)

heartbeats = Table(
    "task_heartbeats",
    metadata,
    _text("job_type", primary_key=True),
    _text("worker", primary_key=True),
    _time("seen_at"),
)

versions = Table("task_store_version", metadata, Column("version_num", Text, primary_key=True))
"""Which migration the tables are at; a name of its own, because the event log may be in the same database."""
