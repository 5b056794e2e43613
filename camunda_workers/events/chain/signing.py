"""Whose key signs a log, and who stamps what it signed: as the settings say."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from camunda_workers.events.chain.notary import Notary, key_path, load_signer, origin_of

if TYPE_CHECKING:
    from camunda_workers.clock import Clock
    from camunda_workers.events.chain.anchor import Anchor
    from camunda_workers.events.chain.note import Signer
    from camunda_workers.events.log import EventLog
    from camunda_workers.settings import StorageSettings


def configured_anchor(log: EventLog, settings: StorageSettings, *, clock: Clock | None = None) -> Anchor | None:
    """The time-stamping authority that the settings name, if they name one.

    Raises:
        ConfigurationError: its address is none.
        ReadModelError: the file with its certificates cannot be used.
        MissingExtra: the extra ``timestamps`` is not installed.
    """
    if settings.tsa_url is None:
        return None
    from camunda_workers.events.chain.anchor import Anchor
    from camunda_workers.events.chain.stamps import read_roots

    roots = read_roots(settings.tsa_ca) if settings.tsa_ca is not None else ()
    return Anchor(log, settings.tsa_url.get_secret_value(), roots, every=settings.tsa_seconds, clock=clock)


def configured_notary(log: EventLog, settings: StorageSettings, *, signer: Signer | None = None) -> Notary:
    """Who signs this log.

    Args:
        log: which.
        settings: how often, and who stamps.
        signer: with which key; by default the one beside the log, which is made when there is none.

    Raises:
        CamundaWorkersError: the key, or what the settings name, cannot be used.
    """
    key = signer or load_signer(key_path(log, settings.data_dir), name=origin_of(log.log_id))
    return Notary(log, key, seconds=settings.sign_seconds, anchor=configured_anchor(log, settings))


class Signing:
    """Signs a log's checkpoints from `start` to `stop`, if it is one that stays and the settings do not say otherwise.

    A log in memory is gone when it is closed: there is nothing to prove later.
    """

    def __init__(self, settings: StorageSettings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()

    async def start(self, log: EventLog) -> None:
        """Begin.

        Raises:
            CamundaWorkersError: the key, or what the settings name, cannot be used.
        """
        if self._settings.sign_log and (log.path is not None or log.database.is_postgresql):
            await self._stack.enter_async_context(configured_notary(log, self._settings).running())

    async def stop(self) -> None:
        """Sign what is left, and end."""
        await self._stack.aclose()
