"""What a runtime reports. Each report is on record before the 200, or named with what is wrong.

Reports have the time that a kill has not: only so many requests may wait for the store.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from typing import Any, Final

from risk_receivers.body import Body
from risk_receivers.doors.door import Reply, WholeDoor, problem, read
from risk_receivers.errors import NotYetError
from risk_receivers.recorder import Recorder
from risk_receivers.reports.intake import UnreadableReportsError, read_reports
from risk_receivers.reports.recording import Refusal, Taken
from risk_receivers.store.errors import StoreError

#: Requests that may wait for the store. A runtime sends one at a time.
_MOST_WAITING: Final = 32
_RETRY_SECONDS: Final = 1
#: What a request is answered of which nothing was taken.
_CODES: Final = {Refusal.INVALID: 400, Refusal.REUSED: 409, Refusal.WRONG_KILL: 200}
_MOST_NAMED: Final = 20
_log = logging.getLogger(__name__)


class ReportsDoor(WholeDoor):
    """``POST /api/v1/runtime/reports``."""

    def __init__(self, recorder: Recorder, deadline_seconds: float) -> None:
        self._recorder = recorder
        self._deadline_seconds = deadline_seconds
        self._waiting = 0

    async def take(self, body: Body) -> Reply:
        """Record every report that is new."""
        if self._waiting >= _MOST_WAITING:
            return _later("too many reports wait already")
        self._waiting += 1
        try:
            return await self._record(body.data)
        except UnreadableReportsError as error:
            return problem(400, str(error))
        except NotYetError as error:
            return _later(str(error))
        except TimeoutError:
            return _later("the store is too slow")
        except StoreError as error:
            _log.error("reports are not recorded: %s", error)
            return _later("the store cannot record this now")
        finally:
            self._waiting -= 1

    async def _record(self, data: bytes) -> Reply:
        found = await read(data, lambda: read_reports(data))
        taken = Taken(0, 0, ())
        if found.reports:
            # What nobody waits for any more is withdrawn. If it has begun it is recorded all the
            # same: sent again, under the same id, it is a duplicate.
            recording = asyncio.wrap_future(self._recorder.take_reports(found.reports))
            taken = await asyncio.wait_for(recording, self._deadline_seconds)
        rejected = (*found.rejected, *taken.rejected)
        content: dict[str, Any] = {
            "recorded": taken.recorded,
            "duplicates": taken.duplicates,
            "rejected": [asdict(refused) for refused in rejected],
        }
        codes = {_CODES[refused.reason] for refused in rejected}
        if taken.recorded or taken.duplicates or 200 in codes:
            return Reply(200, content)
        named = "; ".join(refused.error for refused in rejected[:_MOST_NAMED])
        return problem(max(codes), named, more=content)


def _later(why: str) -> Reply:
    error = f"{why}; send the reports again, each under the id that it has"
    return problem(503, error, _RETRY_SECONDS)
