"""Names that the policy takes from the catalogue, and those of the channels."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from risk_policy.catalogue.limits import LIMITS

#: Every channel that the policy has a table for; a test holds the two together.
CHANNELS: Final = ("console", "file", "email", "slack", "telegram", "webhook", "sms", "apprise")

#: Those that nobody notices who does not look.
UNSEEN: Final = ("console", "file")


_MARK: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,14}[A-Za-z0-9])?)?")


def _mark(text: str) -> str:
    if not _MARK.fullmatch(text):
        raise ValueError(
            "must be at most 16 letters, digits, spaces, dots, hyphens and underscores, "
            'with a letter or digit at both ends, as in "TESTNET", or ""'
        )
    return text


def _known(name: str) -> str:
    names = [limit.name for limit in LIMITS if limit.is_account_level]
    return _one_of(name, "limit", "is no limit of an account", names)


def _channel(name: str) -> str:
    return _one_of(name, "channel", "is no channel", CHANNELS)


def _one_of(name: str, kind: str, otherwise: str, names: Sequence[str]) -> str:
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        raise PydanticCustomError(
            kind,
            "{otherwise}; {meant}known are {names}",
            {
                "otherwise": otherwise,
                "meant": f"did you mean {close[0]}? " if close else "",
                "names": ", ".join(names),
            },
        )
    return name


#: A limit that every account has a figure for, if anybody reports it.
LimitName = Annotated[str, AfterValidator(_known)]
#: A word that stands before every message of one installation; it needs no escaping anywhere.
Mark = Annotated[str, AfterValidator(_mark)]
#: Another channel's name.
OtherChannel = Annotated[str, AfterValidator(_channel)]
