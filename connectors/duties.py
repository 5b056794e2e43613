"""Segregation of duties in the claims process: who assessed a claim does not approve its payment.

The worker asks for a :class:`camunda_workers.tasks.CompletedBy`; whoever runs it provides one (the event log's, or the engine's search).
"""

from __future__ import annotations

from camunda_workers import Router
from camunda_workers.tasks import four_eyes

check_four_eyes = four_eyes(not_by=["assess-claim"])

router = Router(check_four_eyes)
