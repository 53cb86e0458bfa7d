"""Addresses: endpoints of the parts, hosts, the runbooks' URL, and whom channels reach.

Endpoints and URLs go into generated files and into annotations, which Prometheus expands as
templates; so nothing that means something there is let in.
"""

from __future__ import annotations

import ipaddress
import re
from email.utils import getaddresses
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from risk_policy.environment import EXPANDABLE, variables

_EXAMPLE: Final = "e.g. 127.0.0.1:9464"
_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_URL: Final = re.compile(r"https?://[!-~]+/")
#: Means something to templates, shells, YAML or HTML, and has no place in a URL.
_NOT_IN_URLS: Final = frozenset("{}<>\"'`\\^|")
_LARGEST_PORT: Final = 65535
_MENTION: Final = re.compile(r"@(?:channel|here|everyone)|[SUW][A-Z0-9]{2,20}")
_MEMBER: Final = re.compile(r"[UW][A-Z0-9]{2,20}")
#: Groups have negative ids; both fit a float, as Telegram promises.
_TELEGRAM_CHAT: Final = re.compile(r"-?[1-9][0-9]{0,15}")
_TELEGRAM_USER: Final = re.compile(r"[1-9][0-9]{0,15}")
#: As E.164 writes it.
_PHONE_NUMBER: Final = re.compile(r"\+[1-9][0-9]{4,14}")
#: A number, a short code, or a name of up to eleven characters that is shown instead.
_SMS_SENDER: Final = re.compile(
    rf"{_PHONE_NUMBER.pattern}|[0-9]{{3,8}}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{{1,11}}"
)


def split_endpoint(text: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[address]:port``. Raises ValueError."""
    if "://" in text:
        raise ValueError(f"must be host:port without a scheme, {_EXAMPLE}")
    host, separator, port = text.rpartition(":")
    if not separator or not host:
        raise ValueError(f"must be host:port, {_EXAMPLE}")
    if not _PORT.fullmatch(port) or not 0 < int(port) <= _LARGEST_PORT:
        raise ValueError(f"must be host:port with a port from 1 to {_LARGEST_PORT}, {_EXAMPLE}")
    if ":" in host:
        host = _bracketed(host)
    elif not _is_host(host):
        raise ValueError(f"must be host:port, the host a bare name or address, {_EXAMPLE}")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether a host can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_safe_url(text: str) -> None:
    """Let pass what can carry a secret: https, or http to this machine.

    Raises:
        ValueError: what is wrong; never what stands there, since it may be a secret itself.
    """
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not re.fullmatch(r"https?://[!-~]+", text) or not (_is_host(host) or _is_ipv6(host)):
        raise ValueError("must be an https URL")
    if parts.scheme != "https" and not is_loopback(host):
        raise ValueError("must be an https URL; http reaches this machine only")


def overlap(one: str, other: str) -> bool:
    """Whether two endpoints cannot both be listened on. Raises ValueError."""
    (host, port), (other_host, other_port) = split_endpoint(one), split_endpoint(other)
    is_same = _canonical(host) == _canonical(other_host)
    return port == other_port and (is_same or is_wildcard(host) or is_wildcard(other_host))


def is_wildcard(host: str) -> bool:
    """Whether it stands for every address of the machine, so that nobody is reached by it."""
    return _canonical(host) in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def _canonical(host: str) -> str:
    if host.lower() == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()


def _bracketed(host: str) -> str:
    inside = host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.IPv6Address(inside)
    except ValueError:
        address = None
    if address is None or host != f"[{inside}]" or "%" in inside:
        raise ValueError("must be host:port, an IPv6 address in brackets: [::1]:9464")
    return inside


def _is_host(text: str) -> bool:
    if re.fullmatch(r"[0-9.]+", text):
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            return False
        return True
    return _NAME.fullmatch(text) is not None


def _endpoint(text: str) -> str:
    split_endpoint(text)
    return text


def _host(text: str) -> str:
    if not variables(text) and not _is_host(text) and not _is_ipv6(text):
        raise ValueError("must be a host name or an address and nothing else, e.g. 127.0.0.1")
    return text


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _url(text: str) -> str:
    wanted = "must be an http or https URL that ends in /, e.g. http://127.0.0.1:9465/runbooks/"
    if not _NOT_IN_URLS.isdisjoint(text):
        raise PydanticCustomError(
            "url",
            "must not hold {{, }}, quotes or the like: it stands in annotations, which are "
            "templates; {wanted}",
            {"wanted": wanted},
        )
    if not _URL.fullmatch(text):
        raise ValueError(wanted)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError(wanted) from error
    if not _is_host(host) and not _is_ipv6(host):
        raise ValueError(wanted)
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password: it stands in every message")
    return text


def _api_url(text: str) -> str:
    require_safe_url(text)
    parts = urlsplit(text)
    if parts.query or parts.fragment or "@" in parts.netloc or text.endswith("/"):
        raise ValueError("must be an https URL without user, query or / at its end")
    return text


def _mention(text: str) -> str:
    if not variables(text) and not _MENTION.fullmatch(text):
        raise ValueError(
            "must be @channel, @here, @everyone, or the id of a member (U…) or a user group (S…), "
            "as its profile in Slack shows it: a webhook reaches nobody by name"
        )
    return text


def _member(text: str) -> str:
    if not variables(text) and not _MEMBER.fullmatch(text):
        raise ValueError("must be a member's id, e.g. U012AB3CD, as the profile in Slack shows it")
    return text


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _telegram_chat(text: str) -> str:
    if not variables(text) and not _TELEGRAM_CHAT.fullmatch(text):
        raise ValueError("must be a chat's number, e.g. -1001234567890 for a group")
    return text


def _telegram_user(text: str) -> str:
    if not variables(text) and not _TELEGRAM_USER.fullmatch(text):
        raise ValueError("must be a user's number, e.g. 123456789; names change hands")
    return text


def _phone_number(text: str) -> str:
    if not variables(text) and not _PHONE_NUMBER.fullmatch(text):
        raise ValueError("must be a phone number with its country's code, e.g. +15005550006")
    return text


def _sms_sender(text: str) -> str:
    if not variables(text) and not _SMS_SENDER.fullmatch(text):
        raise ValueError("must be a phone number, e.g. +15005550006, a short code or a sender's id")
    return text


def _recipient(text: str) -> str:
    if variables(text):
        return text
    name, at, domain = text.rpartition("@")
    if not at or not name or not domain or not text.isprintable() or " " in domain:
        raise ValueError("must be a mail address, e.g. operator@example.com")
    # What is understood in another way reaches nobody, or only the first of several.
    found = [address for _, address in getaddresses([text])]
    if len(found) != 1 or not (text == found[0] or text.endswith(f"<{found[0]}>")):
        raise ValueError(
            "must be one mail address, e.g. operator@example.com, and each of several by itself; "
            'a name before it that has other signs than letters stands in quotes: "Risk, desk" <…>'
        )
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of printable text")
    return text


#: ``host:port`` of a server.
Endpoint = Annotated[str, AfterValidator(_endpoint)]
#: What to bind to.
Host = Annotated[str, AfterValidator(_host)]
#: Something an alert's name can be appended to.
BaseUrl = Annotated[str, AfterValidator(_url)]

#: Where an API is that requests with secrets go to.
ApiUrl = Annotated[str, AfterValidator(_api_url)]

# What a channel reaches may come from the environment, as tokens do.
ChannelHost = Annotated[str, AfterValidator(_host), EXPANDABLE]
ChannelName = Annotated[str, AfterValidator(_printable), EXPANDABLE]
MailAddress = Annotated[str, AfterValidator(_recipient), EXPANDABLE]
MailAddresses = Annotated[tuple[MailAddress, ...], EXPANDABLE]
Mention = Annotated[str, AfterValidator(_mention), EXPANDABLE]
Mentions = Annotated[tuple[Mention, ...], EXPANDABLE]
PhoneNumber = Annotated[str, AfterValidator(_phone_number), EXPANDABLE]
PhoneNumbers = Annotated[tuple[PhoneNumber, ...], EXPANDABLE]
SmsSender = Annotated[str, AfterValidator(_sms_sender), EXPANDABLE]
Member = Annotated[str, AfterValidator(_member), EXPANDABLE]
Members = Annotated[tuple[Member, ...], EXPANDABLE]
TelegramChat = Annotated[
    str,
    BeforeValidator(_number_as_text, json_schema_input_type=int | str),
    AfterValidator(_telegram_chat),
    EXPANDABLE,
]
TelegramChats = Annotated[tuple[TelegramChat, ...], EXPANDABLE]
TelegramUser = Annotated[
    str,
    BeforeValidator(_number_as_text, json_schema_input_type=int | str),
    AfterValidator(_telegram_user),
    EXPANDABLE,
]
TelegramUsers = Annotated[tuple[TelegramUser, ...], EXPANDABLE]
