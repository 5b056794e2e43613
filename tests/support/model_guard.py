"""Makes model requests to other machines impossible in tests; load it once for all: ``pytest_plugins = ["tests.support.model_guard"]``.

Only loopback addresses answer, such as the scripted server of :mod:`tests.support.openai_server`.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from camunda_workers.ai.guard import remote_models


@pytest.fixture(autouse=True, scope="session")
def no_remote_models() -> Generator[None]:
    """No test asks a real model, whatever the environment names."""
    with remote_models(allowed=False):
        yield
