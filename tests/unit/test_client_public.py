"""The client's public names: frozen here, loaded when first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import camunda_workers.client as client


def test_every_public_name_is_there() -> None:
    assert sorted(client.__all__) == sorted(dir(client))
    for name in client.__all__:
        assert getattr(client, name).__class__ is not None
    with pytest.raises(AttributeError, match="nothing"):
        client.nothing  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def test_the_protocol_alone_loads_no_http_client() -> None:
    code = (
        "import sys, camunda_workers.client.stub; print([name for name in ('httpx', 'pyzeebe', 'pydantic', 'lxml') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
