"""To come to lead: at once if nobody does, else after having stood by for as long as it takes."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_receivers.auth import Identity, Tokens
from risk_receivers.body import BodyReader
from risk_receivers.database.place import Server
from risk_receivers.doors.slack import SLACK_PATH
from risk_receivers.errors import StartError
from risk_receivers.http_server import HttpServer
from risk_receivers.kill.automatic import Automatic
from risk_receivers.leadership.candidate import Candidate
from risk_receivers.leadership.handing_on import HandingOn
from risk_receivers.leadership.leader import Leadership
from risk_receivers.leadership.left_behind import LeftBehind
from risk_receivers.leadership.own_key import why_not_the_chains
from risk_receivers.leadership.standing import Standing
from risk_receivers.perimeter import Perimeter
from risk_receivers.store.places import place_of
from risk_receivers.strangers import Strangers, most_strangers
from risk_receivers.telemetry import Telemetry, policy_info
from risk_receivers.tls import Certificate, Secured
from risk_receivers.workers import Worker

#: Whoever is still waited for by then sends again, and meanwhile nobody leads.
_STOP_SECONDS: Final = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sockets:
    """Where it listens. They stay bound while one server follows another on them."""

    plain: socket.socket
    tls: socket.socket | None
    secured: Secured | None


def lead(
    policy: Policy, data: Path, sockets: Sockets, *, stopping: Callable[[], bool]
) -> Leadership | None:
    """Lead; None if a stop was asked for before. Raises StartError or StoreError."""
    place = place_of(policy.alerting.audit, data)
    if not isinstance(place, Server):
        raise TypeError(f"{place} is no server: nobody shares it")
    candidate = Candidate(
        place,
        policy.alerting.endpoints.receivers,
        policy.digest,
        policy.alerting.high_availability.take_over_seconds,
    )

    def unable_to_sign() -> str:
        if not candidate.is_led or candidate.leader is None:
            return ""
        signing = policy.alerting.audit.signing
        return why_not_the_chains(place, signing, data, candidate.leader.address)

    standing = Standing(candidate, place, data, policy.digest, unable_to_sign)
    if not standing.try_once():
        if why := unable_to_sign():
            standing.end()
            raise StartError(why)
        _serve(policy, data, standing, sockets, stopping)
    standing.end()
    if standing.failure is not None:
        raise standing.failure
    if standing.leadership is not None and stopping():
        standing.leadership.let_go()
        return None
    return standing.leadership


def _serve(
    policy: Policy,
    data: Path,
    standing: Standing,
    sockets: Sockets,
    stopping: Callable[[], bool],
) -> None:
    """Answer until it is over."""
    alerting = policy.alerting
    tokens = Tokens.from_policy(policy)
    telemetry = Telemetry()
    telemetry.add_source(lambda: policy_info(policy.digest))
    telemetry.add_source(
        lambda: {
            m.RECEIVERS_LEADER: [((), 0.0)],
            m.RECEIVERS_TIME: [((), utc_now().timestamp())],
        }
    )
    bodies = BodyReader(
        max_mib=alerting.intake.max_body_mib, timeout_seconds=alerting.intake.body_timeout_seconds
    )

    def refused(address: str, path: str, why: str, by: Identity | None = None) -> None:
        del by  # nobody has been asked for a token
        _log.warning("%s: what %s asks %s", path, address, why)

    automatic = Automatic(alerting.kill_switch.mode, alerting.kill_switch.automatic_scope)
    left_behind = LeftBehind(
        *(data, lambda: standing.leader_address, automatic, place_of(alerting.audit, data)),
        token=alerting.auth.operator_token.reveal_token(),
        telemetry=telemetry,
    )
    workers: list[Worker] = [left_behind]
    if sockets.secured is not None:
        workers.append(Certificate(sockets.secured, telemetry))
    application = Perimeter(
        HandingOn(standing, telemetry.exposition, bodies, workers),
        alerting.dashboard,
        refused=refused,
        signed=(SLACK_PATH,),
    )

    def knows(headers: Iterable[tuple[bytes, bytes]]) -> bool:
        return any(name == b"authorization" and tokens.knows(value) for name, value in headers)

    strangers = Strangers(knows, most_strangers())
    closing = ExitStack()
    server = HttpServer(policy, application, strangers, stop_seconds=_STOP_SECONDS)
    if sockets.tls is not None and sockets.secured is not None:
        server.also_serve(sockets.tls, sockets.secured.context, strangers)
    for worker in workers:
        worker.start()
        closing.callback(worker.stop)

    def over() -> None:
        server.should_exit = True

    standing.begin(over)
    _log.warning("standing by on %s:%d", *sockets.plain.getsockname()[:2])
    with closing:
        if not stopping():
            # A copy: the server closes what it is given, and the next one listens on the same.
            server.run(sockets=[sockets.plain.dup()])
    if standing.leadership is not None:
        _log.warning("takes over in term %d", standing.leadership.term)
