"""Where Prometheus sends its samples besides: Prometheus's own ``remote_write``, from a file.

The file is written as Prometheus documents it and becomes part of the generated configuration, so
``riskwarden generate --check`` tells of every change. It is read strictly: what is generated is
committed and mounted, so no secret may stand in it, and samples go nowhere unencrypted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from risk_policy.model import Policy
from risk_policy.model.addresses import require_safe_url
from risk_rules.errors import RulesError

_KEY: Final = "alerting.prometheus.remote_write_file"
_LIST: Final = "remote_write"
#: Each has a sister that names a file.
_SECRETS: Final = frozenset(
    {"password", "credentials", "bearer_token", "client_secret", "secret_key", "key"}
)


class RemoteWriteError(RulesError):
    """The file cannot be used."""


def remote_write(policy: Policy) -> dict[str, Any]:
    """The section of ``prometheus.yml``; empty unless the policy names a file.

    Raises RemoteWriteError.
    """
    named = policy.alerting.prometheus.remote_write_file
    if not named:
        return {}
    path = Path(policy.written_in.get(_KEY, policy.source)).parent / named
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RemoteWriteError(f"{_KEY}: {path}: {error}") from error
    targets = content.get(_LIST) if isinstance(content, dict) else None
    if not isinstance(targets, list) or not targets or content.keys() != {_LIST}:
        raise RemoteWriteError(f"{_KEY}: {path}: must hold a list under {_LIST} and nothing else")
    for target in targets:
        url = target.get("url") if isinstance(target, dict) else None
        try:
            require_safe_url(str(url))
        except ValueError as error:
            raise RemoteWriteError(f"{_KEY}: {path}: a url {error}") from error
        if "@" in urlsplit(str(url)).netloc:
            raise RemoteWriteError(f"{_KEY}: {path}: a url must not hold a user or a password")
        for secret in _inline(target):
            raise RemoteWriteError(
                f"{_KEY}: {path}: {secret} would put a secret into a generated file; write "
                f"{secret}_file with the path of a file of Prometheus's"
            )
    return {_LIST: targets}


def _inline(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, child in node.items():
            if name in _SECRETS and isinstance(child, str):
                yield name
            yield from _inline(child)
    elif isinstance(node, list):
        for child in node:
            yield from _inline(child)
