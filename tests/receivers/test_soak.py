"""Three minutes of alerts without a pause: nothing that the receivers hold grows with them.

The same program as the hour (`benchmarks/soak.py`), and the same ends, repeats, escalations,
acknowledgements and deliveries, through a real Alertmanager. It is to cost little beside other
tests, so it has a hundred alerts in all, and says them again less often. How fast anything is
answered is no part of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"
LASTS = os.environ.get("RISKWARDEN_SOAK", "3m")


@pytest.mark.timeout(600)
def test_memory_descriptors_and_threads_stay_flat_while_alerts_come_and_go() -> None:
    done = subprocess.run(
        [sys.executable, str(SOAK), "--soak", LASTS, "--rate", "33", "--resend", "15s", "--json"],
        capture_output=True,
        text=True,
        timeout=540,
    )
    assert done.stdout, done.stderr
    found = {one["what"]: one for one in json.loads(done.stdout)}
    for what in ("memory", "descriptors", "threads"):
        assert found[what]["flat"], f"{found[what]}\n{done.stderr}"
    assert found["memory"]["first_third"] > 1, "nothing was looked at"
