"""kill -9 again and again under load: nothing is lost, nothing is done twice without a word.

Ten kills belong to every run of the tests; ``./dev torture`` is for more (RISKWARDEN_KILLS).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from torture import Torture

KILLS = int(os.environ.get("RISKWARDEN_KILLS", "10"))
SEED = int(os.environ.get("RISKWARDEN_SEED", "1"))


@pytest.mark.stack
@pytest.mark.timeout(120 + 10 * KILLS)
def test_whenever_it_is_killed_every_alert_is_recorded_once_and_every_message_arrives(
    stopped: Any, wait_until: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    torture = Torture(stopped, wait_until, SEED)
    stopped.environ["TORTURE_HOOK"] = torture.hook.url
    stopped.environ["TORTURE_SECRET"] = "torture-hmac-secret"
    stock = torture.run(KILLS)
    with capsys.disabled():
        print(f"\n{stock}")
    assert stock.kills == KILLS
    assert stock.deliveries >= stock.owed
