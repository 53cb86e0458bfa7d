"""A record that is nobody else's: of what only plays, or of a copy that is tried out.

Invariant: whatever the policy says, nothing is kept outside the data folder, and no key of others
signs it. Absolute paths lead from any folder to what is in use, and so does a signer's socket.
Nor is a bot asked what people say to it: it tells one program only, and a ``/kill`` that is said
meanwhile must reach the receivers that are meant. Nor is there a console where people look for
theirs: what only plays is seen from this machine.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from risk_policy import Policy
from risk_policy.model.audit import Audit, Signing
from risk_policy.model.channels import File
from risk_policy.model.dashboard import Dashboard, DashboardTls
from risk_policy.model.reports import Reports

#: What its messages begin with: nobody may be woken by them for nothing.
PLAYED: Final = "PAPER"


def in_a_folder_of_its_own(policy: Policy) -> Policy:
    """The policy with everything that is kept in the data folder, and signed there.

    People are told by its channels, in messages that say what they are, and cannot answer there.
    """
    alerting = policy.alerting
    audit, channels = alerting.audit, alerting.channels
    signing = audit.signing.model_copy(
        update={
            "signer": "in_process",
            "key_path": _within(audit.signing.key_path, Signing().key_path),
        }
    )
    own = {
        "database_path": _within(audit.database_path, Audit().database_path),
        "signing": signing,
        "storage_backend": _local(audit),
    }
    file = channels.file.model_copy(update={"path": _within(channels.file.path, File().path)})
    told = {"allowed_users": (), "kill_command": False}
    told_only = {
        "file": file,
        "mark": PLAYED,
        "telegram": channels.telegram.model_copy(update=told),
    }
    seen_here = {"host": Dashboard().host, "tls": DashboardTls()}
    reports = alerting.reports
    folder = _within(reports.path, Reports().path)
    more = {
        "audit": audit.model_copy(update=own),
        "channels": channels.model_copy(update=told_only),
        "dashboard": alerting.dashboard.model_copy(update=seen_here),
        "reports": reports.model_copy(update={"path": folder}),
    }
    return policy.model_copy(update={"alerting": alerting.model_copy(update=more)})


def _local(audit: Audit) -> str:
    return "sqlite" if audit.storage_backend == "postgresql" else audit.storage_backend


def _within(path: str, default: str) -> str:
    """A path that leads out of the folder that it is looked for in becomes the default."""
    named = PurePosixPath(path)
    return default if named.is_absolute() or ".." in named.parts else path
