"""Secrets that are kept in HashiCorp Vault: ``vault://mount/path#key``, KV engine, version 2.

Where Vault is and what opens it say its own variables: VAULT_ADDR, VAULT_TOKEN (or
VAULT_TOKEN_FILE), VAULT_NAMESPACE and VAULT_CACERT. Nothing is kept: a secret that was rotated is
the new one from the next start on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from risk_policy.errors import VaultError

_SCHEME: Final = "vault://"
_REFERENCE: Final = re.compile(
    r"vault://(?P<mount>[A-Za-z0-9._-]+)/(?P<path>[A-Za-z0-9._/-]+)#(?P<key>[A-Za-z0-9._-]+)"
)
#: As a pattern for an editor.
PATTERN: Final = (
    _REFERENCE.pattern.replace("?P<mount>", "").replace("?P<path>", "").replace("?P<key>", "")
)
#: The variable that holds what opens Vault.
TOKEN: Final = "VAULT_TOKEN"  # noqa: S105 - its name
#: A service that starts waits no longer for each of its secrets.
_TIMEOUT_SECONDS: Final = 5
_LOG_IN: Final = re.compile(r"//[^/]*@")


class Lookup(Protocol):
    """Finds the value of a variable."""

    def __call__(self, name: str, environ: Mapping[str, str]) -> str:
        """Raises UnsetVariableError."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where in Vault a secret is."""

    mount: str
    path: str
    key: str

    def __str__(self) -> str:
        return f"{_SCHEME}{self.mount}/{self.path}#{self.key}"


def is_meant(text: str) -> bool:
    """Whether a text refers to Vault, or was meant to."""
    return text.startswith(_SCHEME)


def parse(text: str) -> Reference:
    """A reference. Raises VaultError for what is none."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        # What somebody wrote there may be the secret itself.
        raise VaultError("a vault:// reference", "must read vault://mount/path#key")
    return Reference(found["mount"], found["path"].strip("/"), found["key"])


def read(reference: Reference, environ: Mapping[str, str], lookup: Lookup) -> str:
    """The secret. Raises VaultError, which says what to do and holds nothing of any secret."""
    value, _ = _ask(reference, environ, lookup)
    if not isinstance(value, str) or not value:
        raise VaultError(str(reference), f"there is no text under the key {reference.key}")
    return value


def created_at(reference: Reference, environ: Mapping[str, str], lookup: Lookup) -> datetime:
    """When the version of the secret was made that counts now. Raises VaultError."""
    _, made = _ask(reference, environ, lookup)
    try:
        return datetime.fromisoformat(str(made))
    except ValueError:
        raise VaultError(str(reference), "Vault does not say when it was made") from None


def _ask(reference: Reference, environ: Mapping[str, str], lookup: Lookup) -> tuple[object, object]:
    """The secret, and when it was made."""
    try:  # an extra: few keep their secrets there
        import hvac
        from hvac.exceptions import VaultError as RefusedByVault
    except ImportError as error:
        raise VaultError(
            str(reference), "needs the package hvac: pip install 'riskwarden[vault]'"
        ) from error
    address = environ.get("VAULT_ADDR", "")
    if not address:
        raise VaultError(str(reference), "set VAULT_ADDR to Vault's URL")
    token = lookup(TOKEN, environ)
    if not (token.isascii() and token.isprintable()):
        raise VaultError(str(reference), f"what {TOKEN} holds fits no HTTP header")
    authority = environ.get("VAULT_CACERT", "")
    if authority and not Path(authority).is_file():
        raise VaultError(str(reference), f"VAULT_CACERT names {authority}, which is no file")
    client = hvac.Client(
        url=address,
        token=token,
        namespace=environ.get("VAULT_NAMESPACE") or None,
        verify=authority or True,
        timeout=_TIMEOUT_SECONDS,
        # The token would go along, to whomever that is.
        allow_redirects=False,
        strict_http=True,
    )
    try:
        answer: Any = client.secrets.kv.v2.read_secret_version(
            path=reference.path, mount_point=reference.mount, raise_on_deleted_version=True
        )
        if getattr(answer, "is_redirect", False):
            why = "sends on to another address, which is not followed; set VAULT_ADDR to that"
            raise VaultError(str(reference), f"{_LOG_IN.sub('//', address)} {why}")
        data = answer["data"]
        return data["data"].get(reference.key), data["metadata"]["created_time"]
    except RefusedByVault as error:
        raise VaultError(str(reference), _why(error, reference)) from None
    # What hvac asks with raises errors of its own, which are OSErrors.
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        why = _failures(error)
        raise VaultError(str(reference), f"{_LOG_IN.sub('//', address)} {why}") from None
    finally:
        client.adapter.close()


def _failures(error: Exception) -> str:
    """What became of a request that nobody answered as Vault does; what it held is not told."""
    kind = type(error).__name__
    said = {
        "SSLError": "shows a certificate that is not to be trusted; VAULT_CACERT names the file of "
        "its authority",
        "ConnectTimeout": f"does not answer within {_TIMEOUT_SECONDS} seconds",
        "ReadTimeout": f"does not answer within {_TIMEOUT_SECONDS} seconds",
        "MissingSchema": "is no URL; VAULT_ADDR must read https://host:port",
        "InvalidSchema": "is no URL; VAULT_ADDR must read https://host:port",
        "InvalidURL": "is no URL; VAULT_ADDR must read https://host:port",
    }
    return said.get(kind, f"does not answer as Vault does ({kind})")


def _why(error: Exception, reference: Reference) -> str:
    kind = type(error).__name__
    said = {
        "Forbidden": f"VAULT_TOKEN has ended, or may not read {reference.mount}/data/"
        f"{reference.path}",
        "Unauthorized": "VAULT_TOKEN is not good any more",
        "InvalidPath": f"there is nothing under {reference.path} in {reference.mount} (KV version "
        "2), or it was deleted",
        "VaultDown": "Vault is sealed or in maintenance",
        "VaultNotInitialized": "Vault was never set up",
        "RateLimitExceeded": "Vault is asked too often; try again later",
    }
    return said.get(kind, f"Vault refuses ({kind})")
