"""Semantic Kernel behind one narrow seam. Nothing else in this package imports it or knows its types.

Importing it takes seconds, so that happens when a model is opened, in a thread. Messages go in as messages: Semantic Kernel's prompt templates would
execute ``{{...}}`` found in a claim's text, so they are not used, and no function is ever offered to the model.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from camunda_workers.ai.guard import ReplyRefused, model_http_client
from camunda_workers.errors import ConfigurationError, MissingExtra

_RETRIES: Final = 2
_MODULES: Final = (
    "openai",
    "semantic_kernel.connectors.ai.open_ai",
    "semantic_kernel.contents",
    "semantic_kernel.exceptions",
)


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True)
class Reply:
    """What the endpoint sent, unchecked.

    Attributes:
        tokens: reported input and output tokens; ``None`` when not reported or nonsense.
        cut_off: it stopped for length.
        refused: it stopped for a content filter, or the model refused.
    """

    text: str
    model: str | None
    tokens: tuple[int, int] | None
    cut_off: bool
    refused: bool


class ModelUnavailable(Exception):
    """The endpoint could not be asked or did not answer properly. The text is ours and holds nothing the endpoint wrote."""


class ModelRefused(Exception):
    """The endpoint's content filter stopped the request."""


class ChatModel(Protocol):
    """A chat model that answers in a JSON schema."""

    async def complete(self, messages: Sequence[Message], *, schema_name: str, schema: Mapping[str, Any], max_output_tokens: int) -> Reply:
        """One completion.

        Raises:
            ModelUnavailable: no usable reply.
            ModelRefused: stopped by a content filter.
        """
        ...


@asynccontextmanager
async def open_kernel_chat(*, base_url: str, model: str, api_key: str | None, timeout: float = 20.0) -> AsyncGenerator[ChatModel]:
    """A chat model at an OpenAI-compatible endpoint, through Semantic Kernel.

    Args:
        base_url: the endpoint's address up to and including its version, e.g. ``http://127.0.0.1:11434/v1``.
        model: the model's name there.
        api_key: ``None`` for endpoints that want none.
        timeout: seconds for one HTTP request; refused and failed requests are repeated twice with back-off.

    Raises:
        MissingExtra: Semantic Kernel is not installed.
        ConfigurationError: the address is not an HTTP address.
    """
    if not base_url.startswith(("http://", "https://")):
        raise ConfigurationError("CAMUNDA_WORKERS_AI_BASE_URL must start with http:// or https://, e.g. http://127.0.0.1:11434/v1")
    libraries = await asyncio.to_thread(_import_all)
    async with model_http_client(timeout) as http:
        yield _KernelChat(libraries, base_url, model, api_key, http)


def _import_all() -> dict[str, Any]:
    try:
        return {name: importlib.import_module(name) for name in _MODULES}
    except ImportError as error:
        raise MissingExtra("ai", "asking a model") from error


class _KernelChat:
    """The untyped corner: Semantic Kernel's and OpenAI's modules are loaded at run time and therefore ``Any``."""

    def __init__(self, libraries: Mapping[str, Any], base_url: str, model: str, api_key: str | None, http: Any) -> None:
        self._openai = libraries["openai"]
        self._open_ai = libraries["semantic_kernel.connectors.ai.open_ai"]
        self._contents = libraries["semantic_kernel.contents"]
        self._errors = libraries["semantic_kernel.exceptions"]
        # The OpenAI client insists on a key and would otherwise take one from the environment, which is not ours to send elsewhere.
        client = self._openai.AsyncOpenAI(base_url=base_url, api_key=api_key or "none", http_client=http, max_retries=_RETRIES)
        self._service = self._open_ai.OpenAIChatCompletion(ai_model_id=model, async_client=client)

    async def complete(self, messages: Sequence[Message], *, schema_name: str, schema: Mapping[str, Any], max_output_tokens: int) -> Reply:
        history = self._contents.ChatHistory()
        for message in messages:
            history.add_message({"role": message.role, "content": message.text})
        settings = self._open_ai.OpenAIChatPromptExecutionSettings(
            max_completion_tokens=max_output_tokens,
            response_format={"type": "json_schema", "json_schema": {"name": schema_name, "strict": True, "schema": dict(schema)}},
        )
        try:
            contents = await self._service.get_chat_message_contents(history, settings)
        except self._errors.ServiceContentFilterException as error:
            raise ModelRefused("the endpoint's content filter stopped the request") from error
        except self._errors.ServiceException as error:
            raise self._mapped(error) from error
        except Exception as error:  # a malformed reply surfaces as AttributeError, TypeError, ... from deep inside the libraries
            raise ModelUnavailable(f"the endpoint's reply is not a chat completion ({type(error).__name__})") from error
        if not contents:
            raise ModelUnavailable("the endpoint's reply has no choices")
        return _reply(contents[0])

    def _mapped(self, error: Any) -> Exception:
        """Our reason for a failed call, most specific first. What the endpoint wrote stays out; its status code is enough."""
        cause = error.__cause__
        while isinstance(cause, self._openai.APIConnectionError) and isinstance(cause.__cause__, (ReplyRefused, ConfigurationError)):
            cause = cause.__cause__
        if isinstance(cause, ConfigurationError):
            return cause
        if isinstance(cause, ReplyRefused):
            return ModelUnavailable(str(cause))
        if isinstance(cause, self._openai.APITimeoutError):
            return ModelUnavailable("the endpoint did not answer in time")
        if isinstance(cause, self._openai.APIConnectionError):
            return ModelUnavailable("nobody answers at the endpoint's address")
        if isinstance(cause, self._openai.AuthenticationError | self._openai.PermissionDeniedError):
            return ModelUnavailable(f"the endpoint refuses the API key (HTTP {cause.status_code})")
        if isinstance(cause, self._openai.APIStatusError):
            return ModelUnavailable(f"the endpoint answered HTTP {cause.status_code}")
        return ModelUnavailable(f"the endpoint's reply is not a chat completion ({type(cause or error).__name__})")


def _reply(content: Any) -> Reply:
    completion = content.inner_content
    message = completion.choices[0].message
    finish = str(getattr(content.finish_reason, "value", content.finish_reason) or "")
    text = message.content if isinstance(message.content, str) else ""
    return Reply(
        text=text,
        model=completion.model if isinstance(completion.model, str) else None,
        tokens=_tokens(completion.usage),
        cut_off=finish == "length",
        refused=bool(getattr(message, "refusal", None)) or finish == "content_filter",
    )


def _tokens(usage: Any) -> tuple[int, int] | None:
    counts = (getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None))
    match counts:
        case (int(read), int(written)) if read >= 0 and written >= 0:
            return read, written
        case _:
            return None
