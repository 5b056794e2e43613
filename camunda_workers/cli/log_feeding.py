"""``camunda-workers log sink``: where the log's records come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

COMMANDS: Final[tuple[Callable[..., None], ...]] = ()
