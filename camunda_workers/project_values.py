"""What the tables of ``camunda-workers.toml`` are made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict


def _reference(value: str) -> str:
    module, colon, name = value.partition(":")
    if not colon or not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise ValueError(f"'{value}' is not of the form 'package.module:name'")
    return value


Reference = Annotated[str, AfterValidator(_reference)]
"""Something in a module, as ``package.module:name``."""


def _split(value: Any) -> Any:
    # From the environment lists come as text.
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


class Section(BaseModel):
    """A table of the file: what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
