"""The model that the settings name, if they name one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from camunda_workers.ai.kernel import ChatModel, open_kernel_chat
from camunda_workers.errors import ConfigurationError
from camunda_workers.settings import AiSettings


@asynccontextmanager
async def open_configured_model(settings: AiSettings, *, timeout: float = 20.0) -> AsyncGenerator[ChatModel | None]:
    """The configured chat model, or ``None`` when none is configured. Nothing is imported or opened in that case.

    Args:
        settings: address, model and key.
        timeout: seconds for one HTTP request.

    Raises:
        ConfigurationError: half a configuration; names the missing variable.
        MissingExtra: a model is configured but the extra ``ai`` is not installed.
    """
    if settings.ai_base_url is None and settings.ai_model is None:
        yield None
        return
    if settings.ai_base_url is None or settings.ai_model is None:
        there, missing = ("_MODEL", "_BASE_URL") if settings.ai_base_url is None else ("_BASE_URL", "_MODEL")
        raise ConfigurationError(
            f"CAMUNDA_WORKERS_AI{there} is set without CAMUNDA_WORKERS_AI{missing}: set both, or neither to ask no model"
        )
    key = settings.ai_api_key.get_secret_value() if settings.ai_api_key is not None else None
    async with open_kernel_chat(base_url=settings.ai_base_url, model=settings.ai_model, api_key=key, timeout=timeout) as chat:
        yield chat
