"""Notifications: news about tasks by email and webhook, with links that are signed, single-use and bound to their recipient."""

from __future__ import annotations
