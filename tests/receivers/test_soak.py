"""Three minutes of alerts without a pause: nothing that the receivers hold grows with them.

The same program as the hour (`benchmarks/soak.py`), and as many alerts a minute, with the same
ends, repeats, escalations, acknowledgements and deliveries, through a real Alertmanager. It is to
cost little beside other tests, so they are said again less often. How fast anything is answered is
no part of it.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from loopback_http import LoopbackServer, Reply

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"
LASTS = os.environ.get("RISKWARDEN_SOAK", "3m")
#: Alerts a minute.
RATE = 100


@pytest.mark.parametrize(("each", "flat"), [(0.0, True), (0.05, True), (0.4, False)])
def test_what_grows_by_more_than_its_allowance_is_not_flat(
    monkeypatch: pytest.MonkeyPatch, each: float, flat: bool
) -> None:
    monkeypatch.syspath_prepend(str(SOAK.parent))
    soak = importlib.import_module("soak_verdict")
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    looks = [
        soak.Look(
            at=start + timedelta(seconds=10 * n), seconds=10.0 * n, alerts=n, store_mib=n,
            memory_mib=100 + each * n, descriptors=20, connections=20, threads=30,
            feed_ms=5.0, status_ms=9.0, alertmanager_mib=30.0, told=n, processor_seconds=n,
        )
        for n in range(90)
    ]  # fmt: skip
    memory, *others = (soak.judged(looks, watched) for watched in soak.WATCHED)
    assert memory.flat is flat
    assert memory.slope_per_hour == pytest.approx(each * 360)
    assert all(one.flat and one.slope_per_hour == 0 for one in others)
    # What a minute would come to by the hour says nothing, and would look like a leak.
    (brief,) = (soak.judged(looks[:8], watched) for watched in soak.WATCHED[:1])
    assert brief.slope_per_hour is None
    assert "-" in soak.table([brief])


@pytest.mark.long
@pytest.mark.timeout(600)
def test_memory_descriptors_and_threads_stay_flat_while_alerts_come_and_go() -> None:
    arguments = ("--soak", LASTS, "--rate", str(RATE), "--resend", "15s", "--json")
    done = subprocess.run(
        [sys.executable, str(SOAK), *arguments],
        capture_output=True,
        text=True,
        timeout=540,
    )
    assert done.stdout, done.stderr
    found = {one["what"]: one for one in json.loads(done.stdout)}
    for what in ("memory", "descriptors", "connections", "threads"):
        assert found[what]["flat"], f"{found[what]}\n{done.stderr}"
    assert found["memory"]["first_third"] > 1, "nothing was looked at"
    # A machine that is late is late with all of them, and leaves none out.
    *_, alerts = re.findall(r"^ *\d+ s +([\d,]+) alerts", done.stderr, re.MULTILINE)
    minutes = float(LASTS[:-1]) * {"s": 1 / 60, "m": 1, "h": 60}[LASTS[-1]]
    assert int(alerts.replace(",", "")) >= minutes * RATE


def test_what_the_service_cannot_store_in_time_is_said_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(SOAK.parent))
    soak, measure = importlib.import_module("soak"), importlib.import_module("measure")
    with (
        LoopbackServer() as service,
        LoopbackServer() as alertmanager,
        httpx.Client(base_url=service.url, trust_env=False) as client,
        subprocess.Popen(["true"]) as process,
    ):
        service.next.append(Reply(503))
        running = measure.Receivers(tmp_path, service.url, process, client)
        address = f"127.0.0.1:{alertmanager.port}"
        play = soak.Play(running, address, RATE, seconds=60, resent_every=15)
        play.beat()
    assert play.put_off == 1
    assert len(service.received) == 2
    assert service.received[0].body == service.received[1].body
    assert len(alertmanager.received) == 1
    assert len(play.answers) == 1
