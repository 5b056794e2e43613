"""Reply to approve: a decision by mail, behind the same rules as everywhere."""

from __future__ import annotations
