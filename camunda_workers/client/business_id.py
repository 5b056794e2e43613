"""The business id of a process instance: what a case is known by outside the engine.

Engines from 8.9 on have a field for it. Older ones do not, but they keep tags and copy them to every job (8.8), so the id travels as the
tag ``businessId:<id>``. From 8.9 on the tag is set beside the field wherever the id fits one, because jobs carry the field only since 8.10.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from camunda_workers.errors import InvalidArgument

BUSINESS_ID_TAG = "businessId:"
"""What a tag that carries a business id starts with."""

MAX_TAGS = 10
"""Camunda's limit of tags per process instance."""

MAX_BUSINESS_ID = 256
"""Camunda's limit for a business id, in characters (8.9 and later)."""

NATIVE_SINCE = (8, 9)
"""The first version whose process instances have a business id of their own."""

TAGS_SINCE = (8, 8)
"""The first version that keeps tags; older ones drop them without a word."""

_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_\-:.]{0,99}")
_VERSION = re.compile(r"(\d+)\.(\d+)")


def business_id_of(tags: Iterable[str]) -> str | None:
    """The business id among a process instance's or a job's tags; ``None`` when there is none."""
    for tag in tags:
        if tag.startswith(BUSINESS_ID_TAG) and len(tag) > len(BUSINESS_ID_TAG):
            return tag.removeprefix(BUSINESS_ID_TAG)
    return None


def is_tag(text: str) -> bool:
    """Whether Camunda accepts this text as a tag."""
    return _TAG.fullmatch(text) is not None


def is_native(gateway_version: str) -> bool:
    """Whether this version of the engine has a business id of its own; a version that cannot be read counts as the newest.

    Args:
        gateway_version: as the engine's topology says it, for example ``8.8.21`` or ``8.10.0-alpha1``.
    """
    return _since(gateway_version, NATIVE_SINCE)


def keeps_tags(gateway_version: str) -> bool:
    """Whether this version of the engine keeps tags; a version that cannot be read counts as the newest."""
    return _since(gateway_version, TAGS_SINCE)


def _since(gateway_version: str, first: tuple[int, int]) -> bool:
    found = _VERSION.match(gateway_version)
    return found is None or (int(found[1]), int(found[2])) >= first


def tags_with(business_id: str | None, tags: Iterable[str], *, native: bool) -> list[str]:
    """The tags to start a process instance with.

    Args:
        business_id: the instance's business id, if it has one.
        tags: the caller's own tags.
        native: whether the engine has a field for the business id; the tag is then a help, not a need.

    Raises:
        InvalidArgument: a tag has a wrong form, there are too many, or the business id has to be a tag and cannot be.
    """
    result = list(dict.fromkeys(tags))
    for tag in result:
        if not is_tag(tag):
            raise InvalidArgument(
                f"the tag '{tag}' is not allowed: at most 100 characters, a letter first, then letters, digits and _ - : ."
            )
    if business_id is not None:
        _add_business_id(business_id, result, native=native)
    if len(result) > MAX_TAGS:
        with_id = " (the business id takes one)" if business_id is not None and not native else ""
        raise InvalidArgument(f"{len(result)} tags are too many: a process instance has at most {MAX_TAGS}{with_id}")
    return result


def _add_business_id(business_id: str, tags: list[str], *, native: bool) -> None:
    if not business_id or len(business_id) > MAX_BUSINESS_ID:
        raise InvalidArgument(f"a business id has 1 to {MAX_BUSINESS_ID} characters; this one has {len(business_id)}")
    known = business_id_of(tags)
    if known is not None and known != business_id:
        raise InvalidArgument(f"the tags say that the business id is '{known}', the argument says '{business_id}': give it once")
    tag = BUSINESS_ID_TAG + business_id
    if tag in tags:
        return
    if is_tag(tag):
        if not native or len(tags) < MAX_TAGS:
            tags.append(tag)
    elif not native:
        room = 100 - len(BUSINESS_ID_TAG)
        raise InvalidArgument(
            f"the business id '{business_id}' does not fit: engines older than 8.9 keep it as a tag, so it may have "
            f"at most {room} characters, and only letters, digits and _ - : ."
        )
