"""Snapshots of the engine's state in its folder, each with its position and checksums; the two newest are kept.

Two, because the newest may turn out to be damaged: the engine then goes on from the one before, and the log is kept for that.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camunda_workers.engine.embedded.durable.files import (
    damaged_file,
    sealed,
    sync_folder,
    sync_tree,
    tree_checksums,
    unsealed,
    write_durably,
)

_logger = logging.getLogger(__name__)

_STATE = "state"
_FACTS = "facts.json"
_SEAL = "snapshot.json"
_MAKING = "making"
_COMPLETE = "[0-9]*"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state of the engine on disk.

    Attributes:
        path: its folder.
        position: the last record whose effect is in it for certain.
        taken: when, in ISO 8601.
        checksums: of its files.
    """

    path: Path
    position: int
    taken: str
    checksums: dict[str, int]

    @property
    def state(self) -> Path:
        """The folder with the state."""
        return self.path / _STATE

    def facts(self) -> dict[str, Any]:
        """Return what was kept with the state (the horizon)."""
        return json.loads((self.path / _FACTS).read_text(encoding="utf-8"))

    def damage(self) -> str | None:
        """Return what is wrong with it, None when it is as it was written."""
        name = damaged_file(self.path, self.checksums)
        return None if name is None else f"{self.path / name} is damaged or missing"


class Snapshots:
    """The snapshots of one folder.

    Args:
        path: where they are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def newest_first(self) -> Iterator[Snapshot | str]:
        """Look at every completed snapshot; one that cannot be read gives a text that says so."""
        for path in sorted(self.path.glob(_COMPLETE), reverse=True):
            try:
                seal = unsealed((path / _SEAL).read_text(encoding="utf-8"))
                yield Snapshot(path, int(seal["position"]), str(seal["taken"]), dict(seal["checksums"]))
            except (OSError, ValueError, KeyError, TypeError) as error:
                yield f"{path / _SEAL} cannot be read ({error})"

    def usable(self) -> tuple[Snapshot | None, list[str]]:
        """Return the newest one that is as it was written, and what is wrong with those that are newer."""
        wrong: list[str] = []
        for found in self.newest_first():
            damage = found if isinstance(found, str) else found.damage()
            if damage is None:
                assert isinstance(found, Snapshot)
                return found, wrong
            wrong.append(damage)
        return None, wrong

    def begin(self) -> Path:
        """Return a folder that is not there yet, to write a state into; it counts only after :meth:`keep`."""
        making = self.path / _MAKING
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        return making / _STATE

    def keep(self, position: int, taken: str, facts: dict[str, Any]) -> Snapshot:
        """Make the state that was written the newest snapshot; what RocksDB has synced is here made to be found after a power cut."""
        making, kept = self.path / _MAKING, self.path / f"{position:020d}"
        write_durably(making / _FACTS, json.dumps(facts))
        checksums = tree_checksums(making)
        sync_tree(making / _STATE)
        write_durably(making / _SEAL, sealed({"position": position, "taken": taken, "checksums": checksums}))
        shutil.rmtree(kept, ignore_errors=True)
        making.replace(kept)
        sync_folder(self.path)
        sync_folder(self.path.parent)
        return Snapshot(kept, position, taken, checksums)

    def forget_all_but(self, kept: Iterable[Snapshot]) -> None:
        """Remove every other snapshot, damaged ones too."""
        names = {snapshot.path.name for snapshot in kept}
        for path in self.path.glob(_COMPLETE):
            if path.name not in names:
                shutil.rmtree(path, ignore_errors=True)
