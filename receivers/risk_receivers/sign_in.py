"""People who log in, put together: users, their authenticators, sessions, and what decides."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from argon2 import Parameters

from risk_policy import UnreadableVariableError, UnsetVariableError
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_policy.model.dashboard import DashboardAuth
from risk_policy.vocabulary import Role
from risk_receivers.core import Core
from risk_receivers.errors import StartError
from risk_receivers.kill.second_factor import SecondFactor
from risk_receivers.kill.time_codes import TimeCodes
from risk_receivers.sessions.book import Sessions
from risk_receivers.sessions.credentials import Cookie
from risk_receivers.sessions.lock_out import LockOut
from risk_receivers.sessions.log_ins import LogIns
from risk_receivers.telemetry import Samples
from risk_receivers.tokens.registry import Doing
from risk_receivers.users.authenticators import Authenticators
from risk_receivers.users.book import UserBook
from risk_receivers.users.hasher import Hasher
from risk_receivers.users.passwords import fault_of
from risk_receivers.users.registry import UserRegistry, load_users
from risk_receivers.users.seal import Seal
from risk_receivers.users.user import fit_name

#: Beside the signing key, and in no database or backup.
SEAL_FILE: Final = "seal.key"
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignIn:
    """What knows who people are.

    Attributes:
        log_ins: none where the policy lets nobody log in.
    """

    users: UserBook
    authenticators: Authenticators
    registry: UserRegistry
    hasher: Hasher
    sessions: Sessions
    cookie: Cookie
    second_factor: SecondFactor
    lock_out: LockOut
    log_ins: LogIns | None


@contextmanager
def open_sign_in(core: Core, hashing: Parameters) -> Iterator[SignIn]:
    """Everybody who is on record, and the thread that hashes. Raises StartError or StoreError."""
    alerting = core.policy.alerting
    auth, terms = alerting.dashboard.auth, alerting.kill_switch
    key_folder = (core.data / alerting.audit.signing.key_path).parent
    users = UserBook()
    load_users(core.database, users)
    authenticators = Authenticators(users, Seal(key_folder / SEAL_FILE))
    registry = UserRegistry(core.writer, users, authenticators)
    sessions = Sessions(
        users,
        idle_seconds=auth.session_minutes * _MINUTE,
        most_seconds=auth.most_session_hours * _HOUR,
    )
    shared = TimeCodes.from_policy(alerting.auth.totp_secret, needed=terms.needs_totp)
    hasher = Hasher(hashing)
    # A restart ends every session: whoever then has to get in again is no stranger where they work.
    lock_out = LockOut(familiar=core.monitor.users_places())
    try:
        _make_the_first(auth, users, registry, hasher)

        def gauges() -> Mapping[Metric, Samples]:
            return {m.SESSIONS: [((), float(len(sessions.all())))]}

        core.telemetry.add_source(gauges)
        log_ins = LogIns(
            users=users,
            authenticators=authenticators,
            sessions=sessions,
            hasher=hasher,
            lock_out=lock_out,
            writer=core.writer,
            telemetry=core.telemetry,
            refused=core.refusals.note,
            entered=core.monitor.logged_in,
        )
        yield SignIn(
            users=users,
            authenticators=authenticators,
            registry=registry,
            hasher=hasher,
            sessions=sessions,
            cookie=Cookie(is_secure=alerting.dashboard.tls.is_used),
            second_factor=SecondFactor(shared, authenticators),
            lock_out=lock_out,
            log_ins=log_ins if auth.enabled and auth.type != "token" else None,
        )
    finally:
        hasher.close()


def _make_the_first(
    auth: DashboardAuth, users: UserBook, registry: UserRegistry, hasher: Hasher
) -> None:
    """The user that the environment names, as long as there is none. Raises StartError."""
    if auth.type == "oauth":
        raise StartError(
            'alerting.dashboard.auth.type = "oauth" is not built: write "basic", where people log '
            'in with a name and a password, or "token"'
        )
    if not users.is_empty() or not auth.enabled:
        return
    username, secret = auth.username, auth.password
    try:
        name, password = username.reveal().strip(), secret.reveal()
    except UnreadableVariableError as error:
        raise StartError(f"alerting.dashboard.auth: {error}") from None
    except UnsetVariableError:
        return
    try:
        fit_name(name)
    except ValueError as error:
        raise StartError(f"alerting.dashboard.auth.username: {error}") from None
    if fault := fault_of(password, name):
        raise StartError(f"alerting.dashboard.auth.password: {fault}")
    doing = Doing("alerting.dashboard.auth", "", "", "the first user, named by the environment")
    registry.add(name, [Role.ADMIN], hasher.hash(password).result(), doing)
    _log.warning("made the first user, %s, an admin, as the environment says", name)
