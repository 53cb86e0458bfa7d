"""The gate by HTTP: what changes it, how long an answer is good for, and waiting for news."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from risk_receivers.doors.door import Reply
from risk_receivers.doors.gate import GateDoor
from risk_receivers.gate.publisher import GatePublisher

TOKEN = {"Authorization": "Bearer runtime-secret"}


def ask(receivers: Any, tag: str = "", **query: object) -> httpx.Response:
    headers = {**TOKEN, **({"If-None-Match": tag} if tag else {})}
    return httpx.get(
        f"{receivers.url}/api/v1/gate",
        params={name: str(value) for name, value in query.items()},
        headers=headers,
        timeout=20,
        trust_env=False,
    )


def lease(answer: httpx.Response) -> float:
    return float(answer.headers["Riskwarden-Lease-Seconds"])


def test_the_same_tag_is_answered_without_a_body_but_with_the_lease(
    receivers: Any, wait_until: Any
) -> None:
    wait_until(receivers.gate_is_open)
    first = ask(receivers)
    assert first.json()["open"]
    assert 0 < lease(first) <= 3
    again = ask(receivers, first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert 0 < lease(again) <= 3


def test_who_waits_hears_of_a_kill_at_once_and_may_count_the_lease_from_the_request(
    receivers: Any, wait_until: Any
) -> None:
    wait_until(receivers.gate_is_open)
    tag = ask(receivers).headers["ETag"]
    started = time.monotonic()
    quiet = ask(receivers, tag, wait=0.5)
    assert quiet.status_code == 304
    assert time.monotonic() - started >= 0.5
    assert lease(quiet) >= 0.5, "whatever the answer took"

    answers: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(ask(receivers, tag, wait=20)))
    waiting.start()
    receivers.operator_kill("graceful")
    waiting.join(15)
    (answer,) = answers
    assert answer.status_code == 200
    assert answer.json()["halted"]
    assert lease(answer) == 0
    # What is in force is in the answer that tells of it, or in the next one.
    wait_until(lambda: (ask(receivers).json()["detail"] or {}).get("restrictions"))
    (kill,) = ask(receivers).json()["detail"]["restrictions"]
    assert (kill["kind"], kill["mode"]) == ("kill_switch", "graceful")


@pytest.mark.parametrize("wait", ["-1", "31", "soon", "1e3", "", "nan"])
def test_a_wait_that_is_none_is_refused(shared: Any, wait: str) -> None:
    answer = ask(shared, wait=wait)
    assert answer.status_code == 400
    assert "from 0 to 30" in answer.json()["detail"]


def test_a_gate_that_nobody_keeps_open_says_so(stopped: Any) -> None:
    receivers = stopped.start(prometheus=False)
    answer = ask(receivers)
    assert (answer.json()["open"], lease(answer)) == (False, 0.0)
    assert answer.json()["lease_withheld"]


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[GatePublisher]:
    made = GatePublisher(
        tmp_path, lease_seconds=1, renew_seconds=1, policy_digest="", may_renew=lambda: False
    )
    with made as gate:
        yield gate


async def waiting(door: GateDoor, *messages: str) -> asyncio.Task[Reply]:
    """Somebody who knows the answer and waits for another one; what the server tells meanwhile."""

    async def receive() -> dict[str, Any]:
        if not told:
            await asyncio.Event().wait()
        return {"type": told.pop(0)}

    told = list(messages)
    known = dict((await door.show("", {}, receive)).headers)[b"etag"]
    told = list(messages)
    return asyncio.create_task(door.show("wait=30", {b"if-none-match": known}, receive))


def test_who_has_gone_does_not_take_the_place_of_others(publisher: GatePublisher) -> None:
    async def many() -> None:
        door = GateDoor(publisher, list)
        for _ in range(100):
            gone = await waiting(door, "http.request", "http.disconnect")
            assert (await asyncio.wait_for(gone, 5)).code == 304

    asyncio.run(many())


def test_a_service_that_stops_does_not_wait_for_who_waits(publisher: GatePublisher) -> None:
    async def stopped() -> Reply:
        door = GateDoor(publisher, list)
        asking = await waiting(door, "http.request")
        done, _ = await asyncio.wait({asking}, timeout=0.1)
        assert not done
        publisher.withdraw()
        return await asyncio.wait_for(asking, 2)

    assert dict(asyncio.run(stopped()).headers)[b"riskwarden-lease-seconds"] == b"0.000"
