"""The inbox: where people see what waits for them, with the case around it, and do it. A web application (ASGI), rendered on the server."""

from __future__ import annotations

from camunda_workers.inbox.app import create_inbox
from camunda_workers.inbox.parts import Parts
from camunda_workers.inbox.serve import serve_inbox
from camunda_workers.inbox.users import Users, development_users

__all__ = ["Parts", "Users", "create_inbox", "development_users", "serve_inbox"]
