"""What a go-live check is made on, and how it asks: each thing once, and never for long.

Invariant: nothing here trips, clears or changes anything of a running stack. What is sent to people
is marked as a test; what is asked of the kill switch is the first of its two steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import httpx

from risk_policy import Policy
from risk_policy.clock import utc_now
from risk_policy.contracts.safety_snapshot import SafetySnapshot
from risk_policy.model.stack import Endpoints
from risk_receivers.prometheus import PrometheusApi, PrometheusError, Sample
from risk_receivers.shapes.channels import Channel
from risk_receivers.shapes.system import Status
from riskwarden.golive.finding import NotKnownError
from riskwarden.golive.people import Page
from riskwarden.operator import NoAnswerError, Operator, RefusedError
from riskwarden.safety_snapshot.taking import Wanted, take
from riskwarden.stack.layout import TOKENS, Layout

T = TypeVar("T")
_PATIENCE_SECONDS: Final = 10.0
_ASK_RECEIVERS: Final = (
    "start the receivers, name them with --receivers, and bring a token with RISKWARDEN_TOKEN"
)


@dataclass(slots=True)
class Ground:
    """One check's.

    Attributes:
        author: who makes it.
        drills: folder of the drill log.
        receivers: their address, if it was named.
        scratch: where a backup is put back; None for a folder of the system's.
        routes_file: Alertmanager's generated configuration; None for where it is to be expected.
    """

    policy: Policy
    layout: Layout
    operator: Operator
    author: str
    environ: Mapping[str, str]
    drills: Path
    receivers: str | None = None
    scratch: Path | None = None
    routes_file: Path | None = None
    vouched: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], datetime] = utc_now
    _kept: dict[str, Any] = field(default_factory=dict)

    @property
    def is_here(self) -> bool:
        """Whether the stack's data folder is on this machine."""
        return self.layout.root.is_dir()

    @property
    def endpoints(self) -> Endpoints:
        """Where the parts listen."""
        return self.layout.read_endpoints() or self.policy.alerting.endpoints

    @property
    def every_alertmanager(self) -> tuple[str, ...]:
        """Each member of Alertmanager's cluster: any one may be dead on the day."""
        alerting = self.policy.alerting
        more = () if self._is_local else alerting.prometheus.more_alertmanagers
        return (self.endpoints.alertmanager, *more)

    @property
    def every_receivers(self) -> tuple[str, ...]:
        """Where receivers listen: those that lead, or those that stand by."""
        peers = () if self._is_local else self.policy.alerting.high_availability.peers
        return (self.endpoints.receivers, *peers)

    @property
    def _is_local(self) -> bool:
        """Whether it is a stack of `riskwarden run`, which has one of each."""
        return self.layout.read_endpoints() is not None

    @property
    def receivers_url(self) -> str:
        """Of the receivers."""
        if self.receivers is None:
            return f"http://{self.endpoints.receivers}"
        named = self.receivers if "://" in self.receivers else f"http://{self.receivers}"
        return named.rstrip("/")

    @property
    def prometheus_url(self) -> str:
        """Of Prometheus."""
        return f"http://{self.endpoints.prometheus}"

    @property
    def status(self) -> Status:
        """How the receivers say that all of it stands, when they were first asked."""
        return cast(
            "Status", self._once("status", lambda: self.ask("GET", "/api/v1/system/status"))
        )

    @property
    def channels(self) -> list[Channel]:
        """How channels fare now."""
        return cast("list[Channel]", self.ask("GET", "/api/v1/channels")["channels"])

    @property
    def snapshot(self) -> SafetySnapshot:
        """What the files and the running parts say."""
        self.require_folder()
        return self._once("snapshot", self._snapshot)

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> dict[str, Any]:
        """What the receivers answer. Raises NotKnownError."""
        try:
            return self.operator.answer(method, path, body, patience_seconds=patience_seconds)
        except (NoAnswerError, RefusedError) as error:
            raise NotKnownError(str(error), _ASK_RECEIVERS) from error

    def measured(self, query: str) -> list[Sample]:
        """What Prometheus measures. Raises NotKnownError."""
        prometheus = PrometheusApi(self.prometheus_url)
        try:
            return prometheus.instant(query)
        except PrometheusError as error:
            raise NotKnownError(str(error), "start Prometheus") from error
        finally:
            prometheus.close()

    def fetched(self, url: str) -> httpx.Response:
        """What answers at a URL with 200. Raises NotKnownError."""
        try:
            answer = httpx.get(url, timeout=_PATIENCE_SECONDS, trust_env=False)
            answer.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
            raise NotKnownError(f"{url} does not answer: {why}", "start it") from error
        return answer

    def pages(self, urls: list[str]) -> list[Page]:
        """Whether pages open. Whom a certificate is trusted by is another line's question."""
        found = []
        with httpx.Client(timeout=_PATIENCE_SECONDS, trust_env=False, verify=False) as client:  # noqa: S501
            for url in urls:
                try:
                    found.append(Page(url, client.get(url).status_code))
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    found.append(Page(url, None, str(error) or type(error).__name__))
        return found

    def secrets_environment(self) -> dict[str, str]:
        """The environment, and the tokens of the data folder where it has none."""
        found = dict(self.environ)
        for name in TOKENS:
            path = self.layout.secrets / name
            variable = str(getattr(self.policy.alerting.auth, name)).strip("${}")
            is_set = found.get(variable) or found.get(f"{variable}_FILE")
            if not is_set and path.is_file():
                found[f"{variable}_FILE"] = str(path)
        return found

    def require_folder(self) -> None:
        """Raises NotKnownError where the stack's data is not on this machine."""
        if not self.is_here:
            raise NotKnownError(
                f"{self.layout.root} is not on this machine",
                "run this where the receivers run, and name their folder with --data",
            )

    def _snapshot(self) -> SafetySnapshot:
        wanted = Wanted(data=self.layout.root, policy=Path(self.policy.source), drills=self.drills)
        return take(wanted, self.clock, self.environ)

    def _once(self, name: str, ask: Callable[[], T]) -> T:
        """The same answer, or the same refusal, however often it is asked for."""
        if name not in self._kept:
            try:
                self._kept[name] = ask()
            except NotKnownError as error:
                self._kept[name] = error
        found = self._kept[name]
        if isinstance(found, NotKnownError):
            raise found
        return cast("T", found)
