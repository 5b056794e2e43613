"""Which engine may go on with what another one wrote: pure decisions about version numbers."""

from __future__ import annotations

import re

from camunda_workers.errors import ConfigurationError


def version_problem(written: str, running: str) -> str | None:
    """Why the engine that runs may not take over what another one wrote; None when it may."""
    old, new = _ordered(written), _ordered(running)
    if new < old:
        return f"engine {running} is older and cannot read it; set CAMUNDA_WORKERS_ENGINE_VERSION to {written} or newer"
    # Zeebe migrates its state from one minor version to the next and refuses to skip one.
    if old[0] != new[0] or new[1] > old[1] + 1:
        return (
            f"engine {running} is too far from it; start it with {old[0]}.{old[1] + 1} first, then with one minor version after the other"
        )
    return None


def is_prerelease(version: str) -> bool:
    """Whether this is an alpha or a release candidate: Camunda promises no way from its data to a release."""
    return "-" in version


def needs_migration(written: str, running: str) -> bool:
    """Whether a state of one version has to be migrated for another; within a minor version it never has to."""
    return _ordered(written)[:2] != _ordered(running)[:2]


def _ordered(version: str) -> tuple[int, int, int, list[str]]:
    """A version as something that sorts: 8.9.0-alpha5-rc1, 8.9.0-alpha5, 8.9.0-rc2, 8.9.0."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?(?:-(.+))?", version)
    if found is None:
        raise ConfigurationError(f"'{version}' is no version of the engine")
    before = [part.zfill(6) if part.isdigit() else part for part in re.findall(r"[a-z]+|\d+", found[4] or "")]
    return int(found[1]), int(found[2]), int(found[3] or 0), [*before, "~"]
