"""The soak in small, on the real broker: it and the workers are killed, stopped and cut off, and the ledger judges."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak import Soak
from tests.support.ledger import Ledger


@pytest.mark.broker
@pytest.mark.timeout(400)
async def test_thirty_seconds_of_faults_on_the_real_broker(tmp_path: Path, ledger: Ledger) -> None:
    soak = Soak(seconds=30.0, seed=11, folder=tmp_path, ledger=ledger)
    assert await soak.run()
    assert sum(soak.faults.values()) >= 5
    assert ledger.count("finished") > 50
