"""One data folder per stack: where everything lies, which tokens and ports it uses.

::

    DATA/stack.json                 endpoints of the running parts
    DATA/secrets/                   bearer tokens between the parts, mode 0600
    DATA/prometheus/                configuration, rules and samples
    DATA/alertmanager/              configuration and silences
    DATA/audit/, gate/, logs/, …    what receivers and runtime keep
    DATA/log/                       what every process printed
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Final

from risk_policy import Policy
from risk_policy.contracts.gating import TradingEnvironment
from risk_policy.environment import variables
from risk_policy.model.stack import Endpoints


class StackError(Exception):
    """The local stack cannot be started or has failed."""


#: Token file -> the environment variable that the policy names by default.
TOKENS: Final = (
    "alert_feed_token",
    "notification_feed_token",
    "snapshot_token",
    "runtime_token",
    "operator_token",
)


def new_run(under: Path, now: datetime) -> Path:
    """Make a folder for a run, which no other run has taken. Raises StackError."""
    name = f"run-{now:%Y%m%d-%H%M%S}"
    for number in count(1):
        folder = under / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not under.is_dir():
                raise StackError(f"{under}: is in the way of a folder for the run") from None
        except OSError as error:
            raise StackError(f"{folder}: {error.strerror}; name a folder with --data") from error
        else:
            return folder
    raise AssertionError


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths within one data folder."""

    root: Path

    @property
    def secrets(self) -> Path:
        """Bearer tokens."""
        return self.root / "secrets"

    @property
    def gate(self) -> Path:
        """The trade gate's files."""
        return self.root / "gate"

    @property
    def runtime(self) -> Path:
        """What the paper runtime and its exporter keep."""
        return self.root / "runtime"

    @property
    def journal(self) -> Path:
        """The paper runtime's journal."""
        return self.runtime / "journal.jsonl"

    @property
    def log(self) -> Path:
        """What every process printed."""
        return self.root / "log"

    @property
    def prometheus(self) -> Path:
        """Prometheus's configuration and samples."""
        return self.root / "prometheus"

    @property
    def alertmanager(self) -> Path:
        """Alertmanager's configuration and silences."""
        return self.root / "alertmanager"

    @property
    def alertmanager_config(self) -> Path:
        """Alertmanager's configuration."""
        return self.alertmanager / "alertmanager.yml"

    @property
    def description(self) -> Path:
        """The endpoints of the stack."""
        return self.root / "stack.json"

    def database(self, policy: Policy) -> Path:
        """The store with the audit chain."""
        return self.root / policy.alerting.audit.database_path

    def create(self) -> None:
        """Make the folders and tokens that are missing. Raises StackError."""
        try:
            for folder in (self.root, self.gate, self.runtime, self.log):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in (self.prometheus, self.alertmanager):
                (folder / "secrets").mkdir(parents=True, exist_ok=True)
            self.secrets.mkdir(mode=0o700, exist_ok=True)
            for name in TOKENS:
                _write_private(self.secrets / name, secrets.token_urlsafe(32), keep=True)
        except OSError as error:
            raise StackError(
                f"{error.filename}: {error.strerror}; choose another --data"
            ) from error

    def token(self, name: str) -> str:
        """A bearer token. Raises OSError."""
        return (self.secrets / name).read_text(encoding="ascii").strip()

    def environment(self, policy: Policy) -> dict[str, str]:
        """The environment of the stack's processes: every token variable as a file."""
        environ = dict(os.environ)
        for name in TOKENS:
            (variable,) = variables(str(getattr(policy.alerting.auth, name)))
            environ.pop(variable, None)
            environ[f"{variable}_FILE"] = str((self.secrets / name).resolve())
        environ["PYTHONUNBUFFERED"] = "1"
        return environ

    def share_token(self, name: str, folder: Path) -> None:
        """Put a token where a configuration refers to it by relative path."""
        _write_private(folder / "secrets" / name, self.token(name), keep=False)

    def write_alertmanager(self, text: str) -> None:
        """Leave Alertmanager its configuration, which may hold secrets, for its owner alone."""
        _write_private(self.alertmanager_config, text, keep=False)

    def write_endpoints(self, endpoints: Endpoints) -> None:
        """Leave the endpoints for the other commands."""
        described = {
            "environment": TradingEnvironment.PAPER.value,
            "endpoints": endpoints.model_dump(),
        }
        text = json.dumps(described, indent=2)
        self.description.write_text(text + "\n", encoding="utf-8")

    def read_endpoints(self) -> Endpoints | None:
        """The endpoints of the stack that uses this folder, if any."""
        try:
            described = json.loads(self.description.read_text(encoding="utf-8"))
            return Endpoints.model_validate(described["endpoints"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def read_environment(self) -> TradingEnvironment:
        """Where orders of this stack go; live unless it plainly says otherwise."""
        try:
            described = json.loads(self.description.read_text(encoding="utf-8"))
            return TradingEnvironment(described["environment"])
        except (OSError, ValueError, KeyError, TypeError):
            return TradingEnvironment.LIVE


def _write_private(path: Path, text: str, *, keep: bool) -> None:
    if keep and path.exists():
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(descriptor, 0o600)  # it may have been there, and open to others
        stream.write(text + "\n")
