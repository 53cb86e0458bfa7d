"""Nothing that is known to be secret leaves in a snapshot, whatever somebody wrote where.

A snapshot is made of what holds no secret. But people write reasons, and name files; so what is
said passes through here once more on its way out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from risk_policy import Policy
from risk_policy.contracts.gating import LiveOrders, TradingEnvironment
from risk_policy.contracts.safety_snapshot import Bearing, SafetySnapshot
from risk_policy.contracts.safety_snapshot_parts import SourceState
from risk_policy.secret_keys import revealed_secrets
from risk_policy.vocabulary import KillMode, Severity
from risk_receivers.discretion import Discretion
from risk_receivers.kill.switch import Phase

_PRIVATE: Final = re.compile(
    r"token|secret|passw|passphrase|webhook|credential|api_?key|private|_key$|_dsn$", re.IGNORECASE
)
_PLACE: Final = re.compile(r"_(FILE|PATH|DIR|FOLDER)$", re.IGNORECASE)
_LONGEST_SECRET: Final = 65_536
_VOCABULARIES: Final[tuple[type[StrEnum], ...]] = (
    LiveOrders,
    TradingEnvironment,
    Bearing,
    SourceState,
    KillMode,
    Phase,
    Severity,
)
#: Words of the document itself. Should a secret be one of them, saying the word tells nobody.
_OURS: Final = frozenset(
    [word.value for words in _VOCABULARIES for word in words]
    + ["allowed", "refused", "audit chain", "contradicted"]
)


def discretion(policy: Policy | None, folder: Path, environ: Mapping[str, str]) -> Discretion:
    """What keeps every secret that is known here: of the policy, the environment, the folder."""
    of_policy = revealed_secrets(policy.alerting, environ) if policy else []
    return Discretion([*of_policy, *_of_environment(environ), *_of_folder(folder)])


def without_secrets(snapshot: SafetySnapshot, discreet: Discretion) -> SafetySnapshot:
    """The same, with every text looked through."""
    looked_through = _applied(snapshot.model_dump(mode="json"), discreet)
    return SafetySnapshot.model_validate(looked_through)


def _applied(node: object, discreet: Discretion) -> object:
    if isinstance(node, str):
        return node if node in _OURS or _is_instant(node) else discreet.applied(node)
    if isinstance(node, dict):
        # Names of fields are ours; what users have named are accounts and files.
        return {
            key if key in _FIELDS else discreet.applied(key): _applied(value, discreet)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_applied(one, discreet) for one in node]
    return node


def _field_names(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for child in schema.values():
            yield from _field_names(child)


_FIELDS: Final = frozenset(_field_names(SafetySnapshot.model_json_schema()))


def _is_instant(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _of_environment(environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in environ.items():
        if not value or not _PRIVATE.search(_PLACE.sub("", name)):
            continue
        if not _PLACE.search(name):
            yield value.strip()
        elif name.upper().endswith("_FILE"):
            yield from _content(Path(value))


def _of_folder(folder: Path) -> Iterator[str]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return
    for path in paths:
        yield from _content(path)


def _content(path: Path) -> Iterator[str]:
    try:
        if path.is_file() and path.stat().st_size <= _LONGEST_SECRET:
            yield path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return  # what cannot be read here cannot be told from here either
