"""A real Zeebe broker as a child process, without Docker: the stock distribution, fetched once, its data in one folder.

The broker is Camunda's, under Camunda License 1.0: free for non-production use; production use needs a licence from Camunda. It is fetched to the
user's machine and is no part of this package.
"""

from __future__ import annotations

from camunda_workers.engine.broker.engine import BrokerEngine

__all__ = ["BrokerEngine"]
