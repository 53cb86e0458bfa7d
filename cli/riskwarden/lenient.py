"""The few keys of the policy that an operator needs at night, whatever the rest of it looks like.

A policy that somebody is just editing, or a channel's variable that only the service has, must
not keep anybody from stopping the account. So nothing here fails: what cannot be used is said,
and the default is taken in its place. The file is read when a key is asked for, not before.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Final

from risk_policy import (
    InvalidPolicyError,
    UnfitTokenError,
    UnreadableVariableError,
    UnsetVariableError,
    read_values,
)
from risk_policy.environment import Secret
from risk_policy.model.base import split_endpoint
from risk_policy.model.policy import Alerting
from risk_policy.values import Values
from risk_receivers.database.place import Place, Server
from riskwarden.commands.common import is_file, policy_path, warn

_DEFAULTS: Final = Alerting()


class LenientPolicy:
    """A policy file, asked key by key."""

    def __init__(self, option: Path | None) -> None:
        self._option = option

    @property
    def path(self) -> Path:
        """The file."""
        return policy_path(self._option)

    @property
    def receivers(self) -> str:
        """``host:port`` of the receivers."""
        return self._endpoint("receivers", _DEFAULTS.endpoints.receivers)

    @property
    def peers(self) -> tuple[str, ...]:
        """``host:port`` of each of the other receivers."""
        found = self._values.get("alerting.high_availability.peers")
        if not isinstance(found, (list, tuple)):
            return ()
        good = []
        for one in map(str, found):
            try:
                split_endpoint(one)
            except ValueError as error:
                warn(f"{self.path}: alerting.high_availability.peers: {error}; it is not asked")
            else:
                good.append(one)
        return tuple(good)

    @property
    def exporter(self) -> str:
        """``host:port`` of the exporter."""
        return self._endpoint("exporter", _DEFAULTS.endpoints.exporter)

    @property
    def prometheus(self) -> str:
        """``host:port`` of Prometheus."""
        return self._endpoint("prometheus", _DEFAULTS.endpoints.prometheus)

    def _endpoint(self, name: str, default: str) -> str:
        key = f"alerting.endpoints.{name}"
        found = str(self._values.get(key))
        try:
            split_endpoint(found)
        except ValueError as error:
            warn(f"{self.path}: {key}: {error}; {default} is tried in its place")
            return default
        return found

    @property
    def signing_key(self) -> Path:
        """The key file of the audit chain, relative to the data folder; it may not be there."""
        return self._path("alerting.audit.signing.key_path", _DEFAULTS.audit.signing.key_path)

    @property
    def signer_socket(self) -> Path | None:
        """Where riskwarden-signer listens, if the policy asks for it."""
        if self._values.get("alerting.audit.signing.signer") != "socket":
            return None
        default = _DEFAULTS.audit.signing.socket_path
        return self._path("alerting.audit.signing.socket_path", default)

    @property
    def database(self) -> Path:
        """The audit database, relative to the data folder."""
        return self._path("alerting.audit.database_path", _DEFAULTS.audit.database_path)

    def _path(self, key: str, default: str) -> Path:
        found = self._values.get(key)
        if not isinstance(found, str) or not found or "\0" in found:
            warn(f"{self.path}: {key}: is no path; {default} is tried in its place")
            return Path(default)
        return Path(found)

    def place(self, data: Path) -> Place:
        """Where the record of a data folder is kept: there, or where the policy says.

        Raises UnsetVariableError.
        """
        path = data / self.database
        if self._values.get("alerting.audit.storage_backend") != "postgresql" or is_file(path):
            return path
        return Server(Secret(str(self._values.get("alerting.audit.postgresql.dsn"))).reveal(), path)

    @property
    def lease_seconds(self) -> float:
        """How long the gate stays open after the receivers have died."""
        found = self._values.number("alerting.gate.lease_seconds")
        return _DEFAULTS.gate.lease_seconds if found is None else found

    @property
    def operator_token(self) -> str:
        """The operator's token from the variable that the policy names; "" if it is not set."""
        return revealed(Secret(str(self._values.get("alerting.auth.operator_token"))))

    @cached_property
    def _values(self) -> Values:
        try:
            return read_values(self.path)
        except InvalidPolicyError as error:
            problem = error.problems[0].render(str(self.path))
            warn(f"{problem}; the defaults are used in its place")
            return Values({})


def revealed(secret: Secret) -> str:
    """The token that a variable holds; "" if it is not set, or holds none."""
    try:
        return secret.reveal_token()
    except (UnfitTokenError, UnreadableVariableError) as error:
        warn(str(error))
        return ""
    except UnsetVariableError:
        return ""
