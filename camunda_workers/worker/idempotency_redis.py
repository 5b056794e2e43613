"""Outcomes of idempotent workers in Redis: for any number of processes on any number of machines.

Redis must keep what it acknowledges (``appendonly yes``) and must not evict keys (``maxmemory-policy noeviction``); a failover to a replica
that lacks the last writes forgets outcomes.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable
from types import TracebackType
from typing import Any, Final, Self, cast

from camunda_workers.errors import ConfigurationError, MissingExtra
from camunda_workers.worker.idempotency import RETENTION, Begun, Busy, Stored, StoreUnavailable

_PATIENCE: Final = 2.0
"""Seconds Redis gets to answer."""

# What is stored begins with "r" and the owner while the function runs, and with "d" and the outcome when it is done.
_BEGIN = """
local value = redis.call('GET', KEYS[1])
if not value then
  redis.call('SET', KEYS[1], 'r' .. ARGV[1], 'PX', ARGV[2])
  return {'begun', '', 0}
end
if string.sub(value, 1, 1) == 'd' then
  return {'stored', string.sub(value, 2), 0}
end
return {'busy', '', redis.call('PTTL', KEYS[1])}
"""
_RENEW = "if redis.call('GET', KEYS[1]) == 'r' .. ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 1"
_FINISH = """
local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, 1) == 'r' then
  redis.call('SET', KEYS[1], 'd' .. ARGV[1], 'PX', ARGV[2])
end
return 1
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == 'r' .. ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"


class RedisStore:
    """Keeps outcomes in Redis.

    Args:
        url: where it is: ``redis://host:6379/0``, ``rediss://`` for TLS.
        prefix: what keys begin with; applications that share a Redis need different ones.

    Raises:
        MissingExtra: the extra ``redis`` is not installed.
        ConfigurationError: the address cannot be used.
    """

    def __init__(self, url: str, *, prefix: str = "camunda-workers:") -> None:
        try:
            import redis.asyncio as asynchronous
        except ModuleNotFoundError:
            raise MissingExtra("redis", "Keeping outcomes of idempotent workers in Redis") from None
        self._prefix = prefix
        try:
            self._redis: Any = cast("Any", asynchronous.Redis).from_url(
                url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE, decode_responses=True
            )
        except ValueError as error:
            raise ConfigurationError(f"CAMUNDA_WORKERS_REDIS_URL: {error}") from error

    @property
    def kept_in_memory(self) -> bool:
        """False."""
        return False

    async def __aenter__(self) -> Self:
        # Not asked here: a Redis that is away now may be back when the first job comes, and until then no job is run.
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._redis.aclose()

    async def begin(self, key: str, owner: str, lease: float) -> Begun | Stored | Busy:
        """See `IdempotencyStore`."""
        state, outcome, left = await self._run(_BEGIN, key, owner, _milliseconds(lease))
        match state:
            case "begun":
                return Begun()
            case "stored":
                return Stored(str(outcome))
            case _:
                return Busy(max(0, int(left)) / 1000)

    async def renew(self, key: str, owner: str, lease: float) -> None:
        """See `IdempotencyStore`."""
        await self._run(_RENEW, key, owner, _milliseconds(lease))

    async def finish(self, key: str, owner: str, outcome: str) -> None:
        """See `IdempotencyStore`."""
        # Escaped, because half a pair of surrogates in a text would not go over the wire.
        await self._run(_FINISH, key, json.dumps(json.loads(outcome)), _milliseconds(RETENTION.total_seconds()))

    async def release(self, key: str, owner: str) -> None:
        """See `IdempotencyStore`."""
        await self._run(_RELEASE, key, owner)

    async def _run(self, script: str, key: str, *arguments: object) -> Any:
        from redis.exceptions import RedisError

        try:
            return await cast("Awaitable[Any]", self._redis.eval(script, 1, f"{self._prefix}{key}", *arguments))
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"Redis: {error or type(error).__name__}") from error


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
