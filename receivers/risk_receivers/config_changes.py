"""Changes of the configuration, on record wherever they were made: each is noticed by its digest.

- The receivers' own policy: at every start, against the one they ran on before, key by key with the
  values before and after. Secrets stand there as the variables they name.
- The rules of Prometheus: their Watchdog arrives all the time and carries the digest of the policy
  they were generated from. Several Prometheus servers that differ for a while, as during a rollout,
  are one change.

What else runs on another policy (exporter, Alertmanager) is seen by Prometheus, and the alert
``RISK_POLICY_DRIFT`` is on record as any other.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Final

from risk_policy import Policy
from risk_policy.contracts.audit import EventType
from risk_policy.settings import settings
from risk_policy.vocabulary import Category
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.facts import fact, keep_fact
from risk_receivers.store.errors import StoreError
from risk_receivers.store.transaction import Transaction
from risk_receivers.store.writer import Writer

#: What changes the digest of the policy: two facts, of which the first is as old as the service.
_DIGEST: Final = "policy_digest"
_SETTINGS: Final = "policy_settings"
_RULES: Final = "rules_digest"
#: So long after it was heard last a digest counts as gone. Prometheus repeats within seconds.
_HEARD_SECONDS: Final = 60.0
_A_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_log = logging.getLogger(__name__)


def record_policy(transaction: Transaction, policy: Policy) -> None:
    """Put on record if the service runs on another policy than before."""
    connection = transaction.connection
    before = fact(connection, _DIGEST)
    now = settings(policy)
    was = _kept(fact(connection, _SETTINGS), before)
    if before != policy.digest or was is None:
        kept = json.dumps({"digest": policy.digest, "settings": now}, ensure_ascii=False)
        keep_fact(connection, _SETTINGS, kept)
    if before == policy.digest:
        return
    keep_fact(connection, _DIGEST, policy.digest)
    if not before:
        return
    details: dict[str, JsonValue] = {
        "part": "receivers",
        "before": before,
        "after": policy.digest,
    }
    message = f"the policy changed from {before[:12]} to {policy.digest[:12]}"
    if was is not None:  # None: a version before this one did not keep them
        changed = sorted(key for key in was.keys() | now.keys() if was.get(key) != now.get(key))
        details["changed"] = {
            key: {"before": was.get(key), "after": now.get(key)} for key in changed
        }
        message += f": {_told(changed, was, now)}"
    _append(transaction, message, details)


class RulesWatch:
    """Notices that Prometheus evaluates the rules of another policy. Called from one thread."""

    def __init__(self, writer: Writer, clock: Callable[[], float] = time.monotonic) -> None:
        self._writer = writer
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._asked: Future[None] | None = None

    def hear(self, digest: str) -> None:
        """A Watchdog has come, from rules of a policy with this digest."""
        if not _A_DIGEST.fullmatch(digest):
            return
        now = self._clock()
        last = self._heard.get(digest, -_HEARD_SECONDS)
        recent = {known: at for known, at in self._heard.items() if now - at < _HEARD_SECONDS}
        self._heard = recent | {digest: now}
        if now - last < _HEARD_SECONDS and not self._has_failed():
            return
        try:
            self._asked = self._writer.submit(partial(_record_rules, digest=digest))
        except StoreError as error:
            self._heard = recent  # it comes again, within seconds
            _log.warning("the digest of the rules is not recorded yet: %s", error)

    def _has_failed(self) -> bool:
        asked = self._asked
        return asked is not None and asked.done() and asked.exception() is not None


def _record_rules(transaction: Transaction, *, digest: str) -> None:
    before = fact(transaction.connection, _RULES)
    if before == digest:
        return
    keep_fact(transaction.connection, _RULES, digest)
    if before:
        message = f"Prometheus has the rules of another policy: {before[:12]} before, now "
        details: dict[str, JsonValue] = {"part": "rules", "before": before, "after": digest}
        _append(transaction, f"{message}{digest[:12]}", details)


def _append(transaction: Transaction, message: str, details: dict[str, JsonValue]) -> None:
    transaction.append(
        AuditEvent(EventType.CONFIG_CHANGED, message, category=Category.SYSTEM, details=details)
    )


def _kept(text: str | None, digest: str | None) -> dict[str, str] | None:
    """The settings that were kept of a policy; None if they are another's, or damaged."""
    if text is None:
        return None
    try:
        found = json.loads(text)
        if found["digest"] != digest:
            return None
        return {str(key): str(value) for key, value in found["settings"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _told(changed: list[str], was: dict[str, str], now: dict[str, str]) -> str:
    """What changed, in a line; the details hold all of it."""
    if not changed:
        return "no value is another, only how it is written"
    shown = [f"{key} {was.get(key, 'none')} -> {now.get(key, 'none')}" for key in changed[:3]]
    more = len(changed) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
