"""Log-ins that fail again and again, or come all at the same time: what they cost, and whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from sign_in_desk import OWNER, PASSWORD, Browser, SignInDesk, sign_in_desk

from risk_receivers.users.hasher import PARAMETERS

SESSION = "/api/v1/session"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignInDesk]:
    with sign_in_desk(tmp_path_factory.mktemp("desk")) as opened:
        opened.add("ann", "risk_manager")
        yield opened


def test_who_sends_slowly_keeps_nobody_else_from_logging_in(desk: SignInDesk) -> None:
    sending: list[asyncio.Task[None]] = []

    async def slowly(number: int, address: str = "198.51.100.200") -> int:
        sent: list[MutableMapping[str, Any]] = []
        scope = {
            "type": "http",
            "method": "POST",
            "path": SESSION,
            "headers": [],
            "client": (address, number),
        }
        app: Any = desk.service.front

        async def never() -> MutableMapping[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        sending.append(asyncio.create_task(app(scope, never, send)))
        await asyncio.wait(sending[-1:], timeout=0.2)
        return int(sent[0]["status"]) if sent else 0

    async def many() -> list[int]:
        return await asyncio.gather(*(slowly(number) for number in range(10)))

    assert sorted(desk.loop.run(many())) == [0] * 4 + [503] * 6
    desk.browser("ann", "198.51.100.201")

    async def from_everywhere() -> list[int]:
        return await asyncio.gather(*(slowly(n, f"198.18.200.{n}") for n in range(80)))

    assert desk.loop.run(from_everywhere()).count(503) >= 10
    assert Browser(desk, "198.51.100.202").log_in("ann").status_code == 503
    desk.browser("ann", "198.51.100.201")

    async def leave() -> None:
        for one in sending:
            one.cancel()
        await asyncio.gather(*sending, return_exceptions=True)

    desk.loop.run(leave())


def test_who_fails_again_and_again_has_to_wait_even_with_the_right_password(
    desk: SignInDesk,
) -> None:
    desk.add("lock", "auditor")
    away = [Browser(desk, f"198.18.{number}.1") for number in range(8)]
    codes = [
        browser.log_in("lock", f"wrong {number}").status_code for number, browser in enumerate(away)
    ]
    assert codes == [401] * 5 + [429] * 3
    locked = Browser(desk, "198.19.0.1").log_in("lock")
    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) >= 1
    assert "looked at in" in locked.json()["detail"]
    nobody = [Browser(desk, f"198.18.{n}.2").log_in("no-lock", "x").status_code for n in range(8)]
    assert nobody == codes, "a name that nobody has is locked like any other"
    # A token opens all the same, and the kill waits for nobody.
    assert desk.owner("GET", "/api/v1/system/status").status_code == 200
    assert (desk.metric('risk_logins_total{outcome="locked"}') or 0) >= 4


def test_hammering_fills_neither_the_record_nor_the_memory(
    desk: SignInDesk, wait_until: Callable[..., Any]
) -> None:
    def told() -> list[str]:
        found = desk.payloads("LOGIN_REFUSED")
        return [one.message for one in found if one.details["address"] == "198.51.100.77"]

    for number in range(60):
        Browser(desk, "198.51.100.77").log_in(f"nobody{number}", "x")
    wait_until(told)
    assert len(told()) <= 2


def test_a_flood_of_log_ins_holds_up_no_kill_and_takes_the_memory_of_one(tmp_path: Path) -> None:
    with sign_in_desk(tmp_path, hashing=PARAMETERS) as desk:
        desk.add("ann", "admin")

        async def flood() -> tuple[list[int], int]:
            body = {"name": "ann", "password": "a wrong one"}
            log_ins = [
                asyncio.create_task(desk.ask("POST", SESSION, body, None, f"198.51.100.{number}"))
                for number in range(40)
            ]
            await asyncio.sleep(0)
            kill = {"mode": "pause", "reason": "a flood", "actor": "owner"}
            headers = {"Authorization": f"Bearer {OWNER}"}
            killed = await desk.ask("POST", "/api/v1/kill", kill, headers)
            assert killed.status_code == 200
            waiting = sum(not one.done() for one in log_ins)
            return [(await one).status_code for one in log_ins], waiting

        codes, waiting = desk.loop.run(flood())
        assert waiting > 0, "it was answered before they were"
        assert set(codes) <= {401, 429, 503}
        assert codes.count(401) <= 9, "one is hashed and few wait"


def test_a_store_that_fails_tells_nobody_that_a_password_is_right(tmp_path: Path) -> None:
    with sign_in_desk(tmp_path) as desk:
        desk.add("ann", "admin")
        totp = pyotp.TOTP(desk.enrol("ann"))
        desk.service.parts.writer.stop(15)
        now = datetime.now(UTC)
        good = {totp.at(now + timedelta(seconds=off)) for off in range(-60, 90, 30)}
        wrong = next(code for code in map("{:06}".format, range(9)) if code not in good)
        guesses = [("ann", "a guess", wrong), ("ann", PASSWORD, wrong), ("ann", PASSWORD, "")]
        answers = [Browser(desk).log_in(*guess) for guess in guesses]
        assert [answer.status_code for answer in answers] == [401] * 3
        assert len({answer.text for answer in answers}) == 1
        assert Browser(desk).log_in("ann", totp=totp.now()).status_code == 503
