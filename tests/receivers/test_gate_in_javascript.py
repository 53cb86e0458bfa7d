"""The JavaScript of docs/generic.md refuses what the gate in Python refuses."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from loopback_http import LoopbackServer, Reply

from risk_policy.clock import utc_now
from risk_policy.contracts.restriction import Kill, Restriction, RestrictionKind
from risk_policy.contracts.scope import SCOPE_LABELS, Scope
from risk_policy.vocabulary import KillMode
from risk_runtime import Order, Side
from risk_runtime.gate_reading import refuses

ROOT: Final = Path(__file__).parents[2]
(PROGRAM,) = re.findall(
    r"```js\n(.*?)```", (ROOT / "docs/generic.md").read_text(encoding="utf-8"), re.DOTALL
)
#: Says of each order why it is refused: before it has asked, after each time, and at last.
DRIVER: Final = """
import { ask, refusal } from "./gate.mjs";
const [url, given, times, rest] = process.argv.slice(2);
const orders = JSON.parse(given);
const found = [orders.map(refusal)];
for (let time = 0; time < Number(times); time += 1) {
  await ask(url, "runtime-secret");
  found.push(orders.map(refusal));
}
await new Promise((done) => setTimeout(done, Number(rest)));
console.log(JSON.stringify([...found, orders.map(refusal)]));
"""
CLOSED: Final = "the gate is closed"
COMMON: Final[dict[str, Any]] = {"id": "r1", "cause": "A", "level": "critical", "since": utc_now()}
SCOPES: Final = (
    Scope(),
    Scope(account="main"),
    Scope(account="other"),
    Scope(account="main", symbol="BTC-EUR"),
    Scope(venue="kraken"),
)
ORDERS: Final = [
    Order("BTC-EUR", Side.BUY, quantity, 1.0, full_quantity=full, account=account, venue=venue)
    for quantity, full in ((2.0, 4.0), (2.0, 2.0), (2.0, None))
    for account, venue in (("main", ""), ("", "kraken"), ("other", "paper"))
]


Told = Callable[..., list[list[str]]]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    (tmp_path / "gate.mjs").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "driver.mjs").write_text(DRIVER, encoding="utf-8")

    def tell(url: str, orders: list[Order], times: int = 1, rest: int = 0) -> list[list[str]]:
        names = (*SCOPE_LABELS, "quantity")
        said = [
            {name: getattr(one, name) for name in names}
            | ({"fullQuantity": one.full_quantity} if one.full_quantity else {})
            for one in orders
        ]
        done = subprocess.run(
            ["node", "driver.mjs", url, json.dumps(said), str(times), str(rest)],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            timeout=60,
            text=True,
        )
        found: list[list[str]] = json.loads(done.stdout)
        return found

    return tell


def test_it_refuses_what_the_gate_refuses_and_nothing_is_open_before_it_has_asked(
    told: Told,
) -> None:
    halts = [(RestrictionKind.HALT_NEW_TRADES, scope, None) for scope in SCOPES]
    sizes = [(RestrictionKind.REDUCE_SIZE, scope, 0.5) for scope in SCOPES]
    held: list[Restriction] = [
        Restriction(kind=kind, scope=scope, size_ratio=ratio, **COMMON)
        for kind, scope, ratio in (*halts, *sizes)
    ]
    held += [Kill(mode=KillMode.PAUSE, scope=scope, **COMMON) for scope in SCOPES[1:]]
    lease = {"Riskwarden-Lease-Seconds": "60", "ETag": '"1-open"'}
    with LoopbackServer() as http:
        for one in held:
            detail = {"restrictions": [json.loads(one.model_dump_json())]}
            http.next.append(Reply(200, json.dumps({"open": True, "detail": detail}), lease))
        before, *found, _ = told(http.url, ORDERS, len(held))
    assert set(before) == {CLOSED}
    for one, refused in zip(held, found, strict=True):
        assert [bool(why) for why in refused] == [refuses(one, each) for each in ORDERS], one
        assert CLOSED not in refused


def test_it_asks_a_real_gate_and_closes_when_the_lease_is_over(
    receivers: Any, wait_until: Callable[..., Any], told: Told
) -> None:
    wait_until(receivers.gate_is_open)
    assert told(receivers.url, ORDERS[:1], rest=3100) == [[CLOSED], [""], [CLOSED]]
    receivers.operator_kill("pause")
    assert told(receivers.url, ORDERS[:1])[1] == [CLOSED]
