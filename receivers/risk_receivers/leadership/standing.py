"""The service that stands by, in a thread beside what it answers: it looks, notes, and takes over.

It takes over only what it can hold: not while another process publishes in its gate folder, not
while records are missing which it has seen, and not while its own disk cannot be written. Then it
says so, and another one leads, or nobody; without a leader the gate is closed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from risk_receivers.database.connection import ServerError
from risk_receivers.database.place import Server
from risk_receivers.errors import GateBusyError
from risk_receivers.gate.folder import FolderLock
from risk_receivers.leadership.candidate import Candidate
from risk_receivers.leadership.leader import Leadership
from risk_receivers.leadership.left_behind import is_left_behind
from risk_receivers.leadership.seen_head import SeenHead
from risk_receivers.store.errors import StoreError
from risk_receivers.store.mended import require_room

_NOTE_SECONDS: Final = 1.0
_ASK_SECONDS: Final = 2.0
_log = logging.getLogger(__name__)


class Standing:
    """Stands until it leads, is told to stop, or finds that it cannot. Safe to ask by threads.

    Attributes:
        leadership: what it got.
        failure: why it could never lead as it is.
    """

    def __init__(
        self,
        candidate: Candidate,
        place: Server,
        data: Path,
        policy_digest: str,
        unable_to_sign: Callable[[], str] = lambda: "",
    ) -> None:
        """``unable_to_sign`` says why it could not sign the chain as it is by now, if so."""
        self.leadership: Leadership | None = None
        self.failure: StoreError | None = None
        self._candidate = candidate
        self._place = place
        self._data = data
        self._policy_digest = policy_digest
        self._unable_to_sign = unable_to_sign
        self._unreachable = ""
        self._unfit = self._unsigned = ""
        self._left_behind = ""
        self._hindrance = ""
        self._other_policy = ""
        self._mistakes: dict[str, str] = {}
        self._seen: SeenHead | None = None
        self._problem = ""
        self._is_over = False
        self._noted_at, self._asked_at = 0.0, time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._stand, name="standing-by", daemon=True)

    def try_once(self) -> bool:
        """Whether it is over at once: it leads, or never will."""
        return self._look()

    def begin(self, over: Callable[[], None]) -> None:
        """Stand from now on; ``over`` is called from another thread."""
        self._over = over
        self._thread.start()

    def end(self) -> None:
        """Stand no more."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._candidate.close()

    @property
    def leader_address(self) -> str:
        """Where the leader is asked; empty if there is none."""
        leader = self._candidate.leader
        if self._unreachable or leader is None or not self._candidate.is_led:
            return ""
        return leader.address

    @property
    def why_not_ready(self) -> str:
        """What keeps it from standing in; empty if nothing does."""
        found = [self._unreachable, self._hindrance, self._other_policy]
        found += [self._unsigned, self._left_behind]
        found += [f"{what} fails with {kind}" for what, kind in list(self._mistakes.items())]
        if not self.leader_address and not self._unreachable:
            found.insert(0, "nobody leads")
        return "; ".join(one for one in found if one)

    def _stand(self) -> None:
        try:
            while not self._stopping.wait(self._candidate.look_seconds):
                now = time.monotonic()
                if now - self._noted_at >= _NOTE_SECONDS:
                    self._noted_at = now
                    self._try("noting the chain's head", self._note_the_head)
                if now - self._asked_at >= _ASK_SECONDS:
                    self._asked_at = now
                    self._try("looking at its key", self._say_of_the_key)
                    self._try("looking for a kill that waits here", self._say_of_a_kill)
                self._try("looking who leads", self._look_again)
                if self._is_over:
                    self._over()
                    return
        finally:
            if self._seen is not None:
                self._seen.close()

    def _try(self, what: str, step: Callable[[], None]) -> None:
        """A mistake ends a step and never the thread: nobody else would take over."""
        try:
            step()
        except Exception as error:  # noqa: BLE001
            if what not in self._mistakes:
                _log.critical("%s: a mistake ended it, trying again", what, exc_info=error)
            self._mistakes[what] = type(error).__name__  # its text may hold anything
        else:
            self._mistakes.pop(what, None)

    def _note_the_head(self) -> None:
        try:
            self._seen = self._seen or SeenHead(self._place)
            self._seen.look()
            self._problem = self._seen.problem
        except OSError as error:
            self._problem = f"{self._place.path}: {error}"

    def _look_again(self) -> None:
        self._is_over = self._look(self._problem)

    def _look(self, problem: str = "") -> bool:
        """Whether it is over."""
        try:
            self._candidate.look()
            self._say_of_the_policy()
            self.leadership = self._candidate.stand(
                lambda: self._hinder(
                    problem or _busy(self._data / "gate") or _unwritable(self._place, self._data)
                )
            )
            if self._candidate.is_led:
                self._hindrance = ""
        except ServerError as error:
            if not self._unreachable:
                _log.error("the database cannot be reached, trying again: %s", error)
            self._unreachable = "the database cannot be reached"
            return False
        except StoreError as error:
            self.failure = error
            return True
        self._unreachable = ""
        return self.leadership is not None

    def _hinder(self, why: str) -> str:
        if why and why != self._hindrance:
            _log.error("this service cannot take over: %s", why)
        self._hindrance = why
        return why

    def _say_of_the_key(self) -> None:
        """A key is replaced while others stand by: somebody has to copy it to them."""
        before, self._unfit = self._unfit, self._unable_to_sign()
        why = (
            self._unfit if self._unfit == before else ""
        )  # a key that is being replaced is in parts
        if why and why != self._unsigned:
            _log.error("this service would lead and sign nothing: %s", why)
        self._unsigned = why

    def _say_of_a_kill(self) -> None:
        """One that closed the gate here alone: who leads knows nothing of it."""
        try:
            is_left = is_left_behind(self._data)
        except OSError as error:
            _log.debug("nobody knows whether a kill waits here: %s", error)
            return
        why = ""
        if is_left and not _busy(self._data / "gate"):  # else who publishes there records it
            why = (
                f"a kill in {self._data} is not on record, and trips once this service leads: if "
                "it is to hold now, repeat it with riskwarden kill"
            )
        if why and why != self._left_behind:
            _log.critical("%s", why)
        self._left_behind = why

    def _say_of_the_policy(self) -> None:
        leader = self._candidate.leader
        differs = leader is not None and leader.policy_digest != self._policy_digest
        why = "the leader has another policy" if differs and self._candidate.is_led else ""
        if why and not self._other_policy:
            _log.warning("%s: start both with the same file", why)
        self._other_policy = why


def _unwritable(place: Server, data: Path) -> str:
    """Why it could note nothing on this machine; empty if it could.

    Who leads notes the chain's head here with every record: without that it would lead, record
    nothing, and keep a healthy one from it.
    """
    try:
        require_room(place, data)
    except StoreError as error:
        return str(error)
    return ""


def _busy(gate: Path) -> str:
    """Why its gate folder could not be had now; empty if it could.

    Raises nothing: whatever else is wrong with it is for the start itself to say.
    """
    if not gate.is_dir():
        return ""
    try:
        FolderLock(gate, patience_seconds=0).release()
    except GateBusyError:
        return f"another process publishes the gate in {gate}"
    except Exception:  # noqa: BLE001 - the start says it, and what to do
        return ""
    return ""
