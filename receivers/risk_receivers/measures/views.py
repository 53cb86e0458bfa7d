"""The API of what limits stand at: now, and in some time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from risk_policy.catalogue.limits import LIMITS
from risk_policy.clock import utc_now
from risk_policy.model import Policy
from risk_receivers.asked import Moment
from risk_receivers.audit.errors import AuditError
from risk_receivers.caller import problem
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.measures.current import current, say_what_was_told
from risk_receivers.measures.history import history, step_for
from risk_receivers.prometheus import PrometheusApi, PrometheusError
from risk_receivers.shapes.measures import Current

_NAMES: Final = tuple(limit.name for limit in LIMITS)
_BY_NAME: Final = {limit.name: limit for limit in LIMITS}
_USUAL: Final = timedelta(hours=6)
_LONGEST: Final = timedelta(days=366)
#: However many look, Prometheus is asked so often.
_KEPT_SECONDS: Final = 0.5
#: So many of the service's threads may wait for Prometheus at a time, and others so long for one
#: of these places: a Prometheus that hangs must not hold up probes, acknowledgements and status.
_MOST_WAITING: Final = 4
_PLACE_SECONDS: Final = 0.5
_log = logging.getLogger(__name__)
_LABEL = Annotated[str, StringConstraints(max_length=200)]


class CurrentQuery(BaseModel):
    """When; now, unless it says so. What was tripped is looked at as it was at the trip."""

    model_config = ConfigDict(extra="forbid")

    at: Moment | None = None


class HistoryQuery(BaseModel):
    """Which limit, about what, and when: ``[since, until]``, the last six hours unless said."""

    model_config = ConfigDict(extra="forbid")

    limit: Literal[_NAMES]  # type: ignore[valid-type]
    account: _LABEL | None = None
    symbol: _LABEL | None = None
    sector: _LABEL | None = None
    strategy: _LABEL | None = None
    venue: _LABEL | None = None
    since: Moment | None = None
    until: Moment | None = None
    step_seconds: Annotated[float | None, Field(ge=0.1, le=86400)] = None


@dataclass(slots=True)
class Measures:
    """What limits stand at; whoever asks within half a second gets what another was told.

    Attributes:
        open_risk_ids: what the alerts that are open are about.
    """

    policy: Policy
    prometheus: PrometheusApi
    open_risk_ids: Callable[[], Set[str]]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _asked_at: float = float("-inf")
    _kept: Current | PrometheusError | None = None
    _places: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(_MOST_WAITING), repr=False
    )

    def current(self) -> Current:
        """Raises PrometheusError."""
        with self._lock:
            if self._kept is None or time.monotonic() - self._asked_at > _KEPT_SECONDS:
                try:
                    found = current(self.policy, self.prometheus, time.time())
                    self._say_what_was_told(found)
                    self._kept = found
                except PrometheusError as error:  # whoever waited meanwhile is told the same
                    self._kept = error
                self._asked_at = time.monotonic()
            if isinstance(self._kept, PrometheusError):
                raise PrometheusError(str(self._kept))
            return self._kept

    def at(self, moment: datetime) -> Current:
        """What they stood at then. Raises PrometheusError."""
        return current(self.policy, self.prometheus, moment.timestamp(), past=True)

    def _say_what_was_told(self, found: Current) -> None:
        """Nobody says so while the store cannot be read: values are told all the same."""
        try:
            say_what_was_told(found, self.open_risk_ids())
        except (*DATABASE_ERRORS, AuditError) as error:
            _log.error("the store cannot be read: %s", error)

    @contextmanager
    def place(self) -> Iterator[None]:
        """For whoever has one of the service's few threads. Raises PrometheusError."""
        if not self._places.acquire(timeout=_PLACE_SECONDS):
            raise PrometheusError(f"{_MOST_WAITING} others wait for Prometheus already")
        try:
            yield
        finally:
            self._places.release()


def measure_views(measures: Measures) -> Blueprint:
    """The views."""
    api = Blueprint("measures", __name__, url_prefix="/api/v1")

    @api.errorhandler(PrometheusError)
    def unknown(error: PrometheusError) -> Response:
        return problem(503, f"{error}; what limits stand at is not known now")

    @api.get("/metrics/current")
    def now() -> Response:
        wanted = CurrentQuery.model_validate(request.args.to_dict())
        with measures.place():
            return jsonify(measures.at(wanted.at) if wanted.at else measures.current())

    @api.get("/metrics/history")
    def past() -> Response:
        asked: dict[str, Any] = request.args.to_dict()
        wanted = HistoryQuery.model_validate(asked)
        limit = _BY_NAME[wanted.limit]
        about = wanted.model_dump(
            include={"account", "symbol", "sector", "strategy", "venue"}, exclude_none=True
        )
        if others := about.keys() - set(limit.identity):
            named = ", ".join(limit.identity)
            return problem(400, f"{min(others)}: {limit.name} is about {named} alone")
        until = wanted.until or utc_now()
        try:
            since = wanted.since or until - _USUAL
        except OverflowError:  # the first day there is
            since = until
        if not timedelta(0) < until - since <= _LONGEST:
            return problem(400, f"since: must be before until, by {_LONGEST.days} days at most")
        start, end = since.timestamp(), until.timestamp()
        least = measures.policy.alerting.prometheus.scrape_interval_seconds
        step = max(wanted.step_seconds or 0.0, step_for(start, end, least))
        with measures.place():
            found = history(measures.policy, measures.prometheus, limit, about, start, end, step)
        return jsonify(found)

    return api
