"""The store: drafts, comments, files, delegations, absences, approvals, facts, links, news, groups, signs of life.

The first stores knew no versions: what one of them has already stays as it is.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _id() -> Any:
    return sa.Column("id", _BIG, primary_key=True, autoincrement=True)


def _whole(name: str, *, null: bool = False, key: bool = False) -> Any:
    return sa.Column(name, sa.BigInteger, nullable=null, primary_key=key, autoincrement=False)


def _text(name: str, *, null: bool = False, key: bool = False) -> Any:
    return sa.Column(name, sa.Text, nullable=null, primary_key=key)


def _json(name: str) -> Any:
    return sa.Column(name, sa.JSON, nullable=False)


def _table(name: str, *columns: Any, **indexes: list[str]) -> None:
    op.create_table(name, *columns, if_not_exists=True)
    for index, names in indexes.items():
        op.create_index(index, name, names, if_not_exists=True)


def upgrade() -> None:
    """Make the tables."""
    count = sa.Column("revision", sa.Integer, nullable=False)
    _table("task_drafts", _whole("task_key", key=True), _text("person", key=True), _json("variables"), count, _whole("saved_at"))
    _table(
        "task_comments",
        *(_id(), _whole("task_key"), _whole("process_instance_key", null=True)),
        *(_text("author"), _text("text"), _json("mentions"), _whole("written_at")),
        task_comments_by_task=["task_key"],
    )
    _table(
        "task_attachments",
        *(_text("id", key=True), _whole("task_key"), _whole("process_instance_key", null=True)),
        *(_text("name"), _text("content_type"), _whole("size"), _text("sha256"), _text("author"), _whole("attached_at")),
        task_attachments_by_task=["task_key"],
        task_attachments_by_instance=["process_instance_key"],
    )
    _table(
        "task_delegations",
        *(_id(), _whole("task_key"), _text("owner"), _text("delegate"), _text("state"), _text("kind"), _text("note")),
        *(_whole("since"), _whole("ended_at", null=True)),
        task_delegations_by_task=["task_key"],
        task_delegations_by_owner=["owner", "state"],
    )
    _table(
        "task_absences",
        *(_id(), _text("person"), _text("substitute"), _whole("starts_at"), _whole("ends_at")),
        *(_text("note"), _text("entered_by"), _whole("cancelled_at", null=True)),
        task_absences_by_person=["person"],
    )
    _table(
        "task_votes",
        *(_whole("task_key", key=True), _text("person", key=True), _whole("process_instance_key", null=True)),
        *(_text("process_id"), _text("element_id"), _json("agreed"), _whole("given_at")),
        task_votes_by_instance=["process_instance_key"],
    )
    _table(
        "task_facts",
        *(_id(), _text("kind"), _whole("task_key", null=True), _whole("process_instance_key", null=True)),
        *(_text("business_id", null=True), _text("actor"), _json("data"), _whole("at")),
        task_facts_by_task=["task_key"],
    )
    _table(
        "task_links",
        *(_text("nonce_hash", key=True), _whole("task_key"), _text("recipient"), _text("purpose")),
        *(_whole("expires_at"), _whole("used_at", null=True)),
    )
    _table(
        "task_notices",
        *(_id(), _text("kind"), _whole("task_key", null=True), _text("recipient"), _text("channel"), _text("once"), _json("data")),
        *(_whole("since"), _whole("sent_at", null=True), _whole("next_try_at")),
        *(sa.Column("tries", sa.Integer, nullable=False), _text("error")),
        sa.UniqueConstraint("once", "recipient", "channel", name="task_notices_once"),
        task_notices_waiting=["sent_at", "next_try_at"],
    )
    _table("task_members", _text("person", key=True), _json("groups"), _whole("seen_at"))
    _table("task_heartbeats", _text("job_type", key=True), _text("worker", key=True), _whole("seen_at"))
