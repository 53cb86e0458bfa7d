"""Whether the record holds and comes back, drills were run, and clocks are right. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from risk_policy.contracts.safety_snapshot import DrillRun
from risk_receivers.audit.chain import Head
from risk_receivers.audit.verifier import Verification
from riskwarden.golive.finding import Finding, failed, listed, not_known, passed


def chain(found: Verification, *, witnessed: int | None) -> Finding:
    """Whether every record verifies and the head is signed.

    ``witnessed`` is how many heads Prometheus has seen that it passes through; None if it was not
    to be asked.
    """
    to_do = "riskwarden audit verify names every record; docs/tampering.md says what it means"
    if not found.ok:
        return failed(str(found.problems[0]), to_do)
    if not found.signed:
        return failed(
            f"{found.events} events verify, and none is signed",
            "see why the receivers do not sign: riskwarden status",
        )
    if witnessed is None:
        return not_known(
            f"intact, {found.events} events, but Prometheus does not say what it has seen of it",
            "mend the way to Prometheus: without a witness, a rewritten chain passes, too",
        )
    warnings = f"; {found.warnings[0]}" if found.warnings else ""
    return passed(
        f"intact, {found.events} events, signed up to {found.signed}, through {witnessed} heads "
        f"that Prometheus has seen, head {found.tree}{warnings}"
    )


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A backup that was taken and put back elsewhere.

    Attributes:
        head: where the chain of the copy ends.
        restored: the verification of what was restored, which has to pass through that head.
    """

    head: Head
    size: int
    restored: Verification
    seconds: float


def backup(seen: Rehearsed) -> Finding:
    """Whether what was copied came back as it was."""
    if not seen.restored.ok:
        return failed(
            f"the restored store does not verify: {seen.restored.problems[0]}",
            "take no risk before a backup can be restored: docs/backup.md",
        )
    return passed(
        f"{seen.head.size} records, {seen.size} bytes: copied, restored into a folder of its own "
        f"and verified there, in {seen.seconds:.1f} s; the copy is deleted again"
    )


def drills(runs: Sequence[DrillRun], now: datetime, days: int) -> Finding:
    """Whether every drill passed, the last time it ran, and lately."""
    to_do = "riskwarden drill run {}"
    if not runs:
        return failed("there is no drill", "update Riskwarden")
    bad = [one.scenario for one in runs if one.result == "FAIL"]
    if bad:
        return failed(f"failed the last time: {listed(bad)}", to_do.format(" ".join(bad)))
    since = now - timedelta(days=days)
    never = [one.scenario for one in runs if one.result is None or one.ended_at is None]
    if never:
        what = "--all" if len(never) == len(runs) else " ".join(never)
        return not_known(
            f"never rehearsed, as far as is known: {listed(never)}", to_do.format(what)
        )
    old = [one.scenario for one in runs if one.ended_at is None or one.ended_at < since]
    if old:
        return failed(f"longer ago than {days} days: {listed(old)}", to_do.format(" ".join(old)))
    first = min(one.ended_at for one in runs if one.ended_at)
    return passed(f"all {len(runs)} passed, the first of them on {first:%Y-%m-%d}")


@dataclass(frozen=True, slots=True)
class Clocks:
    """What is known of the clocks.

    Attributes:
        server: the NTP server that was asked; empty if none is named.
        offset_seconds: how far this machine's clock is ahead of that one's; None if it was not
            asked, or did not answer.
        kept: whether the kernel says that somebody keeps the clock; None if it does not say.
        may_be_off_seconds: by how much at most, as the kernel says.
        apart_seconds: how far other parts are ahead of this machine, by part.
    """

    server: str
    offset_seconds: float | None
    kept: bool | None
    may_be_off_seconds: float | None
    apart_seconds: Mapping[str, float]


def clock(seen: Clocks, *, most_seconds: float, most_apart_seconds: float) -> Finding:
    """Whether the clocks are right, and alike."""
    keep = "have chrony or systemd-timesyncd keep the clock of every machine"
    for part, ahead in seen.apart_seconds.items():
        if abs(ahead) > most_apart_seconds:
            return failed(f"the clock of {part} is {ahead:+.3f} s from this machine's", keep)
    if seen.server and seen.offset_seconds is None:
        return not_known(
            f"{seen.server} does not answer", "name one in alerting.golive.time_server"
        )
    alike = f"alike with {', '.join(seen.apart_seconds)}" if seen.apart_seconds else ""
    if not alike:
        return not_known("no other part says what time it has", "start the receivers")
    if seen.offset_seconds is not None:
        said = f"{seen.offset_seconds * 1000:+.1f} ms from {seen.server}"
        if abs(seen.offset_seconds) > most_seconds:
            return failed(said, keep)
        return passed(f"{said}, {alike}")
    if seen.kept is None:
        return not_known(
            "the kernel does not say whether anybody keeps the clock",
            "name an NTP server in alerting.golive.time_server",
        )
    if not seen.kept:
        return failed("the kernel says that nobody keeps the clock", keep)
    off = seen.may_be_off_seconds or 0.0
    if off > most_seconds:
        return failed(f"it is kept, and may be {off:.3f} s off", keep)
    return passed(f"the kernel says that it is kept, at most {off * 1000:.0f} ms off, {alike}")
