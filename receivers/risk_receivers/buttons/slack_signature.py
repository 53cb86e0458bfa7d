"""Whether a request is from Slack: signed with the app's secret, lately, and not seen before.

Whatever cannot be told is no request of Slack's.
"""

from __future__ import annotations

import hmac
import re
import threading
from collections import OrderedDict
from typing import Final

#: How old a request may be, as Slack's documentation says.
LONGEST_SECONDS: Final = 300
#: More presses than people make within that time; the oldest are forgotten first.
_MOST_SEEN: Final = 10_000
_TIMESTAMP: Final = re.compile(rb"[0-9]{1,12}")
_SIGNATURE: Final = re.compile(rb"v0=[0-9a-f]{64}")


class Signatures:
    """Checks what Slack signs with one secret. Thread-safe."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._lock = threading.Lock()
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def complaint(self, timestamp: bytes, signature: bytes, now: float) -> str:
        """What is wrong as far as can be told without the body; empty if nothing is."""
        if not _TIMESTAMP.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
            return "no signature of Slack's"
        if abs(now - int(timestamp)) > LONGEST_SECONDS:
            return "a signature of another time"
        return ""

    def is_genuine(self, timestamp: bytes, signature: bytes, body: bytes) -> bool:
        """Whether this very body was signed, at this time."""
        digest = hmac.new(self._secret, b"v0:" + timestamp + b":" + body, "sha256").hexdigest()
        return hmac.compare_digest(b"v0=" + digest.encode(), signature)

    def is_first(self, signature: bytes) -> bool:
        """Whether a genuine request comes for the first time; it does not count again."""
        with self._lock:
            if signature in self._seen:
                return False
            self._seen[signature] = None
            while len(self._seen) > _MOST_SEEN:
                self._seen.popitem(last=False)
            return True
