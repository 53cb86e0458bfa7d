"""How a command speaks to the receivers as an operator: which address, which token, which name.

It has to work when little else does. The address comes from ``--receivers`` or from the run
whose data folder it is, the token from the environment or from that folder; the policy is asked
only for what is then still missing, and leniently. Where there are several tokens each is tried
before the operator is turned away.

A token of one's own (``RISKWARDEN_TOKEN``) says who somebody is: with it no other one is tried, or
a person who may not would act as the machine's owner. Only a kill is tried with all there are.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from risk_policy.contracts.operator import LONGEST_NAME
from risk_policy.contracts.standby import STANDBY, STANDBY_ASKED
from risk_policy.environment import Secret
from risk_policy.model.stack import Auth
from riskwarden.commands.common import fail, warn
from riskwarden.lenient import LenientPolicy, revealed
from riskwarden.stack.layout import Layout

#: Longer than the service ever takes before it answers one way or the other.
_PATIENCE_SECONDS: Final = 15.0
_TOKEN: Final = "operator_token"  # noqa: S105 - its name
_OWN: Final = Secret("${RISKWARDEN_TOKEN}")
_KILL: Final = "/api/v1/kill"
_KILL_ID: Final = "kill_id"
#: Nobody knows who it is; 429 is what strangers hear from where too much was wrong, so a token that
#: is good may be answered all the same.
_STRANGER: Final = (httpx.codes.UNAUTHORIZED, httpx.codes.TOO_MANY_REQUESTS)
#: What a name that no resolver takes ends in; only some of it is httpx's own.
_NO_ADDRESS: Final = (
    *(httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError),
)
_TURNED_AWAY: Final = (*_STRANGER, httpx.codes.FORBIDDEN)


class NoAnswerError(Exception):
    """The receivers did not answer.

    Attributes:
        sent: whether they may have taken what was asked.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        self.sent = sent
        super().__init__(message)


class TurnedAwayError(NoAnswerError):
    """There is no token that they know, or those who answer are somebody else."""


class UnusableAddressError(TurnedAwayError):
    """Where they are said to be is no address that anything can be asked at."""


class StandbyError(NoAnswerError):
    """Who answers only stands by, and got no answer from the one that leads."""


class RefusedError(Exception):
    """They answered, and not with what was asked for.

    Attributes:
        exit_code: what a command ends with that has nothing else to do.
        could_not: they would have, and failed.
    """

    def __init__(self, message: str, exit_code: int = 1, *, could_not: bool = False) -> None:
        self.exit_code = exit_code
        self.could_not = could_not
        super().__init__(message)


class Operator:
    """Calls the receivers of one data folder, or those that are named."""

    def __init__(self, data: Path, policy: Path | None, receivers: str | None) -> None:
        self._layout = Layout(data)
        self._named = receivers
        self._policy = policy
        self._first_token = ""
        self.policy = LenientPolicy(policy)

    def others(self) -> Iterator[Operator]:
        """Each of the other receivers on the same store, if nobody named one."""
        if self._named:
            return
        run = self._layout.read_endpoints()
        known = (self.policy.receivers, *self.policy.peers)
        own = self.policy.receivers if run is None else run.receivers
        if own not in known:  # a run on ports of its own
            return
        for address in dict.fromkeys(known):
            if address != own:
                yield Operator(self._layout.root, self._policy, address)

    def as_approver(self) -> None:
        """From now on try the token of who confirms for another first, if there is one."""
        self._first_token = revealed(Auth().approver_token)

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> dict[str, Any]:
        """What they answer; the command ends with what they refuse. Raises NoAnswerError."""
        try:
            return self.answer(method, path, body, patience_seconds=patience_seconds)
        except RefusedError as error:
            fail(str(error), error.exit_code)
        except UnusableAddressError as error:
            fail(str(error))

    def answer(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> dict[str, Any]:
        """What they answer. Raises NoAnswerError and RefusedError."""
        url, whence = self._address()
        answer: httpx.Response | None = None
        for token in self._tokens(alone=path != _KILL):
            answer = _request(method, url, path, token, body, whence, patience_seconds)
            if answer.status_code not in _TURNED_AWAY:
                break
        # Who may write the gate's files needs no token for a kill, so it is not over with that.
        is_kill = path == _KILL
        if answer is None:
            if is_kill:
                raise TurnedAwayError(self._no_token(), sent=False)
            raise RefusedError(self._no_token(), 2)
        try:
            content = answer.json()
        except ValueError:
            content = None
        is_taken = is_kill and answer.is_success
        if not isinstance(content, dict) or (is_taken and _KILL_ID not in content):
            strange = (
                f"{url}{path} ({whence}) answers {answer.status_code} {answer.reason_phrase}, but "
                "not as the receivers do; name their URL with --receivers"
            )
            if is_kill:
                raise TurnedAwayError(strange, sent=False)
            raise RefusedError(strange)
        if answer.status_code != httpx.codes.OK:
            refusal = f"{url}{path}: {content.get('detail') or answer.reason_phrase}"
            if is_kill and (standby := answer.headers.get(STANDBY)):
                raise StandbyError(refusal, sent=standby == STANDBY_ASKED)
            if is_kill and answer.status_code in _STRANGER:
                raise TurnedAwayError(refusal, sent=False)
            raise RefusedError(refusal, could_not=answer.is_server_error)
        return content

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> dict[str, Any]:
        """As ``call``; the command ends also where nobody answers."""
        try:
            return self.call(method, path, body, patience_seconds=patience_seconds)
        except NoAnswerError as error:
            fail(f"{error}; is it running?", 1)

    def _address(self) -> tuple[str, str]:
        """The URL, and where it was found."""
        if self._named:
            named = self._named if "://" in self._named else f"http://{self._named}"
            return named.rstrip("/"), "from --receivers"
        endpoints = self._layout.read_endpoints()
        if endpoints is not None:
            return f"http://{endpoints.receivers}", f"from {self._layout.description}"
        return f"http://{self.policy.receivers}", f"from {self.policy.path}"

    def _tokens(self, *, alone: bool) -> Iterator[str]:
        """Every token there is, the likeliest first; each is looked for when its turn comes.

        ``alone``: one's own, if there is one, and no other.
        """
        folder, environment = self._token_of_the_folder, self._token_of_the_environment
        is_its_run = not self._named and self._layout.read_endpoints() is not None
        first = (folder, environment) if is_its_run else (environment, folder)
        tried: set[str] = set()
        if own := self._token_of_ones_own(alone=alone):
            tried.add(own)
            yield own
            if alone:
                return
        for source in (self._token_to_try_first, *first, self._token_that_the_policy_names):
            token = source()
            if token and token not in tried:
                tried.add(token)
                yield token

    def _token_of_ones_own(self, *, alone: bool) -> str:
        is_set = any(os.environ.get(name) for name in ("RISKWARDEN_TOKEN", "RISKWARDEN_TOKEN_FILE"))
        token = revealed(_OWN)
        if is_set and not token:
            useless = "RISKWARDEN_TOKEN, or the file of RISKWARDEN_TOKEN_FILE, holds no token"
            if alone:
                fail(f"{useless}; set it right, or take it out of the environment")
            warn(f"{useless}; others are tried")
        return token

    def _token_to_try_first(self) -> str:
        return self._first_token

    def _token_of_the_folder(self) -> str:
        try:
            token = self._layout.token(_TOKEN)
        except (OSError, ValueError):
            return ""
        return token if token.isprintable() else ""  # else whoever refuses it would quote it

    def _token_of_the_environment(self) -> str:
        return revealed(Auth().operator_token)

    def _token_that_the_policy_names(self) -> str:
        return self.policy.operator_token

    def _no_token(self) -> str:
        wanted = str(Auth().operator_token).strip("${}")
        return (
            f"no token of your own and no operator token: set RISKWARDEN_TOKEN or {wanted} in the "
            "environment, or either with _FILE to a file's path, or name the data folder of a run "
            "with --data; "
            f"{self._layout.secrets / _TOKEN} is not there or not for you to read"
        )


def operator_name() -> str:
    """Who gives the order, as it goes on record: a login, or the number where there is none."""
    try:
        name = printable(getpass.getuser()).strip()[:LONGEST_NAME].strip()
    except (KeyError, OSError, ImportError):  # a container's user has no entry in passwd
        name = ""
    return name or f"uid {os.getuid()}"


def printable(text: str) -> str:
    """A text from the command line or environment, whose bytes may have been no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _request(
    method: str,
    url: str,
    path: str,
    token: str,
    body: Mapping[str, object] | None,
    whence: str,
    patience_seconds: float,
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    silent = f"the receivers service at {url} ({whence}) does not answer"
    try:
        return httpx.request(
            method,
            url + path,
            json=body,
            headers=headers,
            timeout=patience_seconds,
            trust_env=False,
        )
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise NoAnswerError(f"{silent} ({error})", sent=False) from error
    except _NO_ADDRESS as error:
        unusable = f"{url} ({whence}): {error}; name a URL such as http://127.0.0.1:9465"
        raise UnusableAddressError(unusable, sent=False) from error
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise NoAnswerError(f"{silent} ({reason})", sent=True) from error
