"""Parts that fail: who notices, what is held meanwhile, and how it comes back."""

from __future__ import annotations

from risk_policy.catalogue import system
from riskwarden.drill.record import Notes
from riskwarden.drill.stage import ENTRY, OwnStage, Stage

#: What the bounds of the policy are given on top, for the rounds of those who measure.
_ROUNDS_SECONDS = 20.0
_REFUSALS = 8


def data_gap(stage: OwnStage, notes: Notes) -> None:
    """The runtime hangs: nobody may go on as if its last word were news."""
    stage.freeze("runtime")
    notes.did("stop the runtime and its exporter", "kill -STOP <runtime>")
    within = stage.policy.alerting.system.exporter_down_seconds + _ROUNDS_SECONDS
    try:
        _alert(stage, notes, system.EXPORTER_DOWN.name, within)
    finally:
        stage.thaw("runtime")
    notes.did("let it go on", "kill -CONT <runtime>")
    _ended(stage, notes, system.EXPORTER_DOWN.name)
    notes.expect(
        "nobody was closed out for it",
        met=not stage.events("POSITION_FORCE_CLOSED"),
        evidence="no POSITION_FORCE_CLOSED in the audit chain",
    )


def channel_down(stage: OwnStage, notes: Notes) -> None:
    """The file channel cannot write: people are told by another one, and of that, too."""
    folder = stage.layout.root / stage.policy.alerting.channels.file.path
    moved = folder.with_name(folder.name + ".aside")
    if folder.exists():
        folder.rename(moved)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file stands where the folder was\n", encoding="utf-8")
    notes.did("put a file in the place of the folder of the file channel")
    order = {"channels": ["file"], "author": "drill"}
    _, content = stage.call("POST", "/api/v1/channels/test", order)
    notes.did("try it out", "riskwarden channels test file")
    results = [one for one in content.get("results", ()) if one["channel"] == "file"]
    failed = bool(results) and not any(one["confirmed"] for one in results)
    notes.expect("its test says that it fails", met=failed, evidence=str(results or content))
    stage.kill("pause", "drill: something to tell")
    _alert(stage, notes, system.CHANNEL_FAILING.name, 60 + _ROUNDS_SECONDS)
    printed = stage.child("receivers").log.read_text(encoding="utf-8", errors="replace")
    notes.expect(
        "the console told people meanwhile",
        met="KILL SWITCH" in printed,
        evidence="the receivers' output has the message",
    )
    folder.unlink()
    if moved.exists():
        moved.rename(folder)
    notes.did("put the folder back")
    _ended(stage, notes, system.CHANNEL_FAILING.name)
    _cleared(stage, notes)


def receivers_killed(stage: OwnStage, notes: Notes) -> None:
    """Without the receivers nothing new is entered, and nobody is trapped."""
    stage.kill_process("receivers")
    notes.did("kill the receivers", "kill -9 <receivers>")
    lease = stage.policy.alerting.gate.lease_seconds
    took = stage.wait(lambda: not stage.is_open, lease + 1)
    notes.expect(
        f"within a lease ({lease:g} s) no new entry is allowed",
        met=took is not None and not stage.gate.check(ENTRY).allowed,
        evidence=stage.gate.check(ENTRY).reason,
    )
    notes.expect("reducing is allowed", met=stage.allows_reductions, evidence="asked for a sale")
    stage.stack.start_receivers()
    notes.did("start them again")
    _opens(stage, notes)
    chain = stage.verified()
    notes.expect("the chain verifies", met=chain.ok, evidence=f"{chain.events} events")


def prometheus_dead(stage: OwnStage, notes: Notes) -> None:
    """Without Prometheus nobody would raise an alert, so no new risk."""
    stage.kill_process("prometheus")
    notes.did("kill Prometheus", "kill -9 <prometheus>")
    took = stage.wait(lambda: not stage.is_open, 60)
    entry = stage.gate.check(ENTRY)
    notes.expect(
        "no new entry is allowed any more",
        met=took is not None and not entry.allowed,
        evidence="not in time" if took is None else f"after {took:.1f} s: {entry.reason}",
    )
    told = stage.wait(lambda: stage.events("FEED_SILENT"), _ROUNDS_SECONDS)
    notes.expect(
        "that it is silent is on record",
        met=told is not None,
        evidence="FEED_SILENT in the audit chain",
    )
    notes.expect("reducing is allowed", met=stage.allows_reductions, evidence="asked for a sale")
    stage.stack.start_prometheus(stage.binaries)
    notes.did("start it again")
    _opens(stage, notes)


def outage(stage: OwnStage, notes: Notes) -> None:
    """Nothing can be closed: the switch says so, and closes once it can."""
    stage.wait(lambda: stage.positions_open > 0, 30)
    notes.given(f"the paper account holds {stage.positions_open} positions")
    stage.freeze("runtime")
    notes.did("stop whatever could close them", "kill -STOP <runtime>")
    try:
        stage.kill("immediate", "drill: exchange outage")
        notes.did("trip the kill switch", 'riskwarden kill --mode immediate --reason "…"')
        early = stage.wait(lambda: stage.kill_switch.get("flat_confirmed_at"), 5)
        state = stage.kill_switch.get("state")
        notes.expect(
            "nobody claims that the account is flat",
            met=early is None and state == "TRIPPED",
            evidence=f"state {state} five seconds later",
        )
        notes.expect(
            "a new entry is refused",
            met=not stage.is_open and not stage.gate.check(ENTRY).allowed,
            evidence=stage.gate.check(ENTRY).reason,
        )
    finally:
        stage.thaw("runtime")
    notes.did("let it go on", "kill -CONT <runtime>")
    took = stage.wait(lambda: stage.kill_switch.get("state") == "FLAT_CONFIRMED", 30)
    notes.expect(
        "once it can be closed, it is, and confirmed",
        met=took is not None,
        evidence=f"{took:.2f} s later" if took is not None else "not in time",
    )
    _cleared(stage, notes)


def credential_leak(stage: OwnStage, notes: Notes) -> None:
    """Tokens that are tried are refused, on record and told; those that are good stand nowhere."""
    tokens = [path.read_text().strip() for path in sorted(stage.layout.secrets.iterdir())]
    for number in range(_REFUSALS):
        code, _ = stage.call("POST", "/api/v1/kill", {"n": number}, who="snapshot")
    notes.did(f"ask for the kill switch {_REFUSALS} times with a token that may not")
    notes.expect("it is refused", met=code in (401, 403), evidence=f"status {code}")
    took = stage.wait(lambda: stage.events("ACCESS_REFUSED"), 10)
    notes.expect(
        "it is on record, with the address",
        met=took is not None,
        evidence="ACCESS_REFUSED in the audit chain",
    )
    _alert(stage, notes, "SECURITY_AUTH_FAILED", _ROUNDS_SECONDS)
    found = [
        path.name
        for path in sorted(stage.layout.log.iterdir())
        if any(token in path.read_text("utf-8", "replace") for token in tokens)
    ]
    notes.expect(
        "no token stands in a log", met=not found, evidence=", ".join(found) or "none found"
    )
    code, _ = stage.call("GET", "/api/v1/system/status")
    notes.expect("operators are still let in", met=code == 200, evidence=f"status {code}")
    notes.later("after a real leak: new tokens, restart, riskwarden audit verify", "operator")


def _alert(stage: Stage, notes: Notes, name: str, seconds: float) -> None:
    took = stage.wait(lambda: stage.events("ALERT_CREATED", name), seconds)
    notes.expect(
        f"{name} fires and is on record",
        met=took is not None,
        evidence=f"after {took:.1f} s" if took is not None else f"not within {seconds:g} s",
    )


def _ended(stage: Stage, notes: Notes, name: str) -> None:
    took = stage.wait(lambda: stage.events("ALERT_RESOLVED", name), 90)
    notes.expect(
        f"{name} ends once it is mended",
        met=took is not None,
        evidence=f"after {took:.1f} s" if took is not None else "not within 90 s",
    )


def _opens(stage: Stage, notes: Notes) -> None:
    took = stage.wait(lambda: stage.is_open, 60)
    after = "" if took is None else f"after {took:.1f} s: "
    notes.expect(
        "the gate opens again by itself",
        met=took is not None,
        evidence=f"{after}{stage.gate_told}",
    )


def _cleared(stage: Stage, notes: Notes) -> None:
    problem = stage.clear("the drill is over")
    notes.did("clear it, in two steps", 'riskwarden clear --reason "the drill is over"')
    notes.expect("it can be cleared", met=not problem, evidence=problem or "on record")
