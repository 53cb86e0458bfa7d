"""What a runtime reports. Each report is on record before the 200, or named with what is wrong."""

from __future__ import annotations

import logging
from dataclasses import asdict

from pydantic import ValidationError

from risk_policy.contracts.reports import ReportBatch
from risk_receivers.auth import Role
from risk_receivers.body import Body
from risk_receivers.doors.door import Reply, read, recorded
from risk_receivers.invalid import problems_of
from risk_receivers.recorder import Recorder
from risk_receivers.store.errors import StoreError

_log = logging.getLogger(__name__)


class ReportsDoor:
    """``POST /api/v1/runtime/reports``."""

    def __init__(self, recorder: Recorder, deadline_seconds: float) -> None:
        self._recorder = recorder
        self._deadline_seconds = deadline_seconds

    @property
    def roles(self) -> tuple[Role, ...]:
        """The runtime's own."""
        return (Role.RUNTIME,)

    @property
    def takes_parts(self) -> bool:
        """Half of one means nothing."""
        return False

    def answered(self, code: int) -> None:
        """What became of each is on record."""

    async def take(self, body: Body) -> Reply:
        """Record every report that is new."""
        try:
            batch = await read(body.data, lambda: ReportBatch.model_validate_json(body.data))
        except ValidationError as error:
            return Reply(400, {"error": problems_of(error)})
        try:
            taken = await recorded(
                self._recorder.take_reports(batch.reports), self._deadline_seconds
            )
        except TimeoutError:
            return Reply(503, {"error": "the store is too slow; send the reports again"}, 1)
        except StoreError as error:
            _log.error("reports are not recorded: %s", error)
            return Reply(503, {"error": "the store cannot record this now; send it again"}, 1)
        return Reply(
            200,
            {
                "recorded": taken.recorded,
                "duplicates": taken.duplicates,
                "rejected": [asdict(rejected) for rejected in taken.rejected],
            },
        )
