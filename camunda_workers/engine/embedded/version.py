"""The engine's version where no setting says otherwise."""

from __future__ import annotations

ENGINE_VERSION = "8.8.21"
