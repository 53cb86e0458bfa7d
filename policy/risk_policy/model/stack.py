"""How the parts run together: Prometheus, routing, kill switch, gate, endpoints, tokens."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from risk_policy.contracts.gate import LONGEST_SECONDS
from risk_policy.environment import Secret
from risk_policy.model.base import (
    AtMost,
    BaseUrl,
    Count,
    Days,
    Endpoint,
    Minutes,
    Number,
    PositiveSeconds,
    Seconds,
    Section,
    SharePercent,
    Switch,
    WholeNumber,
)
from risk_policy.model.names import LimitName
from risk_policy.model.second_way import FolderPath
from risk_policy.vocabulary import KillMode, Severity

_Interval = Annotated[
    PositiveSeconds,
    AtMost(120, "Prometheus forgets a series 5 minutes after its last sample"),
]
_Complaint = Annotated[
    Seconds, AtMost(300, "meanwhile nothing watches the account, and nobody knows")
]


class Prometheus(Section):
    """``[alerting.prometheus]``.

    Attributes:
        scrape_interval_seconds: how often the exporter is scraped.
        evaluation_interval_seconds: how often the rules are evaluated; a limit that trips the kill
            switch as often as the exporter is scraped, if that is more often.
        resend_delay_seconds: how often a firing alert is repeated to the alert feed.
        feed_timeout_seconds: after which a hung receivers service is given up for this batch.
        retention_days: how long Prometheus keeps samples.
        more_alertmanagers: the other members of Alertmanager's cluster. Prometheus tells each of
            them of every alert, for any one may be dead.
        remote_write_file: a file with Prometheus's own ``remote_write``, relative to the policy
            file that names it. Empty sends samples nowhere.
    """

    scrape_interval_seconds: _Interval = 1
    evaluation_interval_seconds: _Interval = 1
    resend_delay_seconds: Annotated[
        PositiveSeconds,
        AtMost(60, "an alert that did not arrive, a kill too, waits that long for its next try"),
    ] = 3
    feed_timeout_seconds: Annotated[
        PositiveSeconds,
        AtMost(10, "older Prometheus makes every alert wait for its slowest receiver"),
    ] = 1
    retention_days: Days = 15
    more_alertmanagers: tuple[Endpoint, ...] = ()
    remote_write_file: str = ""


class Confirmation(Section):
    """``[alerting.confirmation]``: how long a breach must last before an alert of a tier fires."""

    warning_seconds: Annotated[
        Seconds, AtMost(3600, "a warning that comes an hour after the breach warns of nothing")
    ] = 0
    critical_seconds: Annotated[
        Seconds, AtMost(900, "a critical breach must be told while something can be done")
    ] = 0
    emergency_seconds: Annotated[
        Seconds, AtMost(300, "it holds back the kill switch while the loss grows")
    ] = 0


_REPEAT: Final = "a breach that comes back after a silence is told at the next repeat only"
_Wait = Annotated[Seconds, AtMost(300, "the first message of a group waits for that long")]
_Join = Annotated[PositiveSeconds, AtMost(3600, "what joins a group waits for that long")]
_UrgentWait = Annotated[Seconds, AtMost(30, "whoever must act at once must be told at once")]
_UrgentJoin = Annotated[PositiveSeconds, AtMost(300, "a worsening must not wait for its message")]
_UrgentRepeat = Annotated[PositiveSeconds, AtMost(3600, _REPEAT)]


class Route(Section):
    """``[alerting.routing.info]``, and the pace of the messages of any severity."""

    group_wait_seconds: _Wait = 5
    group_interval_seconds: _Join = 30
    repeat_interval_seconds: Annotated[PositiveSeconds, AtMost(86_400, _REPEAT)] = 3600


class DebugRoute(Route):
    """``[alerting.routing.debug]``."""

    repeat_interval_seconds: Annotated[PositiveSeconds, AtMost(86_400, _REPEAT)] = 60


class WarningRoute(Route):
    """``[alerting.routing.warning]``."""

    group_wait_seconds: _Wait = 1
    group_interval_seconds: _Join = 10
    repeat_interval_seconds: Annotated[PositiveSeconds, AtMost(86_400, _REPEAT)] = 300


class CriticalRoute(Route):
    """``[alerting.routing.critical]``: somebody must act at once."""

    group_wait_seconds: _UrgentWait = 0
    group_interval_seconds: _UrgentJoin = 5
    repeat_interval_seconds: _UrgentRepeat = 300


class EmergencyRoute(CriticalRoute):
    """``[alerting.routing.emergency]``."""

    repeat_interval_seconds: _UrgentRepeat = 60


class Routing(Section):
    """``[alerting.routing.*]``: pace per severity."""

    debug: DebugRoute = DebugRoute()
    info: Route = Route()
    warning: WarningRoute = WarningRoute()
    critical: CriticalRoute = CriticalRoute()
    emergency: EmergencyRoute = EmergencyRoute()

    def of(self, severity: Severity) -> Route:
        """The pace of a severity."""
        route: Route = getattr(self, severity.value)
        return route


class System(Section):
    """``[alerting.system]``: when the risk layer complains about itself.

    Attributes:
        exporter_down_seconds: how long nothing may be scraped before it counts. Prometheus first
            scrapes its targets 5 to 6 seconds after its start and knows nothing of them until
            then, so less than that raises a false alarm at every start on an empty store.
        receivers_down_seconds: the same.
        channel_down_seconds: how long a channel may fail before that counts, if nobody had to
            take over meanwhile: a server that is restarted, or a message that arrives when it is
            tried again, is no failing channel.
        unevaluable_seconds: how long a limit may have no figure, or NaN, before it counts.
        required_limits: limits that somebody has to report; others are watched once they are.
        clock_skew_seconds: how far two clocks may disagree.
        failure_window_minutes: how far back failures and refusals are counted.
        event_seconds: how long an event, such as a stop that was hit, is shown.
        disk_free_warning_pct: least free share of a disk.
        certificate_warning_days: how long before it expires a certificate is worth a warning.
        certificate_critical_days: and when it becomes urgent.
        var_covered_min_pct: least share of the book that value at risk has to cover.
        audit_unsigned_seconds: how long what is recorded may wait for a signed checkpoint.
        audit_witness_hours: how long a length of the audit chain is remembered, and that it was
            cut or rewritten.
    """

    exporter_down_seconds: _Complaint = 10
    receivers_down_seconds: _Complaint = 10
    snapshot_stale_seconds: Annotated[
        PositiveSeconds, AtMost(900, "figures older than a quarter of an hour protect nobody")
    ] = 10
    policy_drift_seconds: Annotated[
        Seconds, AtMost(3600, "meanwhile the parts act on different policies")
    ] = 30
    alertmanager_down_seconds: _Complaint = 30
    channel_down_seconds: _Complaint = 60
    unevaluable_seconds: _Complaint = 30
    required_limits: tuple[LimitName, ...] = ("daily_loss", "drawdown", "var")
    clock_skew_seconds: Annotated[
        PositiveSeconds, AtMost(60, "ages and timers would be wrong by as much")
    ] = 2
    failure_window_minutes: Annotated[
        Minutes, AtMost(60, "a failure that is mended would be shown for as long")
    ] = 5
    event_seconds: Annotated[
        PositiveSeconds, AtMost(3600, "an event would be shown as news for as long")
    ] = 60
    disk_free_warning_pct: SharePercent = 10
    disk_free_critical_pct: SharePercent = 5
    certificate_warning_days: Annotated[
        Days, AtMost(366, "hardly any authority gives one for so long")
    ] = 21
    certificate_critical_days: Annotated[
        Days, AtMost(366, "hardly any authority gives one for so long")
    ] = 3
    var_covered_min_pct: SharePercent = 100
    audit_unsigned_seconds: Annotated[
        PositiveSeconds, AtMost(3600, "meanwhile nothing new is signed, and nobody knows")
    ] = 30
    audit_witness_hours: Annotated[Number, Field(gt=0, le=720)] = 24


class AutomaticScope(StrEnum):
    """What a trip covers that nobody asked for."""

    EVERYTHING = "everything"
    ACCOUNT = "account"  # that of the alert; everything if it says none


class KillSwitch(Section):
    """``[alerting.kill_switch]``: what an automatic trip does, and what it takes to clear one.

    Attributes:
        automatic_scope: what an automatic trip covers.
        on_evaluation: whether KILL_SWITCH_EVALUATION trips it: an alert that nobody acknowledged.
        on_storm: whether ALERT_STORM does.
        on_broken_chain: whether an audit chain does that was found changed, cut or rewritten.
        confirm_flat_within_seconds: how long closing everything may take before people are told
            that nobody has confirmed it.
        confirm_within_seconds: how long the second step of clearing or disarming may take.
        needs_second_person: whether it takes somebody else, with another token: another named one,
            or the other of ``operator_token`` and ``approver_token``.
        needs_totp: whether it takes a code of an authenticator, too.
    """

    mode: KillMode = KillMode.IMMEDIATE
    automatic_scope: AutomaticScope = AutomaticScope.EVERYTHING
    on_evaluation: Switch = False
    on_storm: Switch = False
    on_broken_chain: Switch = False
    graceful_timeout_minutes: Annotated[
        Minutes, AtMost(480, "closing that takes longer than a trading day stops nothing")
    ] = 30
    confirm_flat_within_seconds: Annotated[
        PositiveSeconds, AtMost(900, "positions that nobody closes lose money meanwhile")
    ] = 60
    confirm_within_seconds: Annotated[
        PositiveSeconds, AtMost(600, "by then nobody remembers what was looked at before asking")
    ] = 120
    needs_second_person: Switch = False
    needs_totp: Switch = False


class FastLane(Section):
    """``[alerting.fast_lane]``: what trips the kill switch is told without waiting for Prometheus.

    Attributes:
        confirm_snapshots: how many snapshots in a row have to be beyond the threshold.
    """

    enabled: Switch = True
    confirm_snapshots: Annotated[
        WholeNumber,
        Field(ge=1),
        AtMost(100, "Prometheus would have told long before"),
    ] = 1


class Gate(Section):
    """``[alerting.gate]``: how long new risk stays allowed without a sign of life.

    Attributes:
        lease_seconds: of the receivers, as the runtime sees it.
        renew_seconds: how often the receivers give it.
    """

    lease_seconds: Annotated[
        PositiveSeconds,
        AtMost(
            LONGEST_SECONDS, "for that long new risk stays allowed after the receivers have died"
        ),
    ] = 3
    renew_seconds: Annotated[
        PositiveSeconds, AtMost(30, "the lease has to be renewed well before it ends")
    ] = 0.5


class Intake(Section):
    """``[alerting.intake]``: bounds of what the feeds take in.

    Attributes:
        body_timeout_seconds: how long a request may take to arrive, head and body each, and how
            long an answer may wait to be read.
    """

    max_body_mib: Annotated[Number, Field(ge=0.001, le=1024)] = 16
    body_timeout_seconds: Annotated[
        PositiveSeconds, AtMost(60, "a sender that takes longer has given up or means harm")
    ] = 5
    commit_batch: Count = 500
    queue_depth: Count = 10_000


class Endpoints(Section):
    """``[alerting.endpoints]``: where everything listens."""

    exporter: Endpoint = "127.0.0.1:9464"
    receivers: Endpoint = "127.0.0.1:9465"
    prometheus: Endpoint = "127.0.0.1:9490"
    alertmanager: Endpoint = "127.0.0.1:9493"


class HighAvailability(Section):
    """``[alerting.high_availability]``: two receivers on one PostgreSQL store, of which one leads.

    Attributes:
        peers: where receivers listen besides ``alerting.endpoints.receivers``.
        take_over_seconds: how long the one that leads may give no sign of life, stopped or cut
            off, before another takes over. One that is dead is followed at once.
    """

    peers: tuple[Endpoint, ...] = ()
    take_over_seconds: Annotated[
        PositiveSeconds,
        Field(ge=1),
        AtMost(60, "meanwhile no alert is recorded and the kill switch cannot trip"),
    ] = 5


_TokenDays = Annotated[
    Days, AtMost(1096, "a token that outlasts three years is forgotten, and lost")
]


class Auth(Section):
    """``[alerting.auth]``: bearer tokens between the parts, and the time of those of people.

    ``approver_token`` is asked for if ``alerting.kill_switch.needs_second_person`` alone, the
    authenticator's ``totp_secret`` (base32, 26 characters or more) if ``needs_totp``.

    Attributes:
        token_files_path: where Prometheus and Alertmanager find the tokens of the feeds, as files
            alert_feed_token and notification_feed_token: a folder beside their configuration,
            unless it is absolute.
        token_days: how long a named token lasts that is made without saying so.
        most_token_days: how long one may last at most.
    """

    alert_feed_token: Secret = Secret("${RISKWARDEN_ALERT_FEED_TOKEN}")
    notification_feed_token: Secret = Secret("${RISKWARDEN_NOTIFICATION_FEED_TOKEN}")
    snapshot_token: Secret = Secret("${RISKWARDEN_SNAPSHOT_TOKEN}")
    runtime_token: Secret = Secret("${RISKWARDEN_RUNTIME_TOKEN}")
    operator_token: Secret = Secret("${RISKWARDEN_OPERATOR_TOKEN}")
    approver_token: Secret = Secret("${RISKWARDEN_APPROVER_TOKEN}")
    totp_secret: Secret = Secret("${RISKWARDEN_TOTP_SECRET}")
    token_files_path: FolderPath = "secrets"  # noqa: S105 - a folder
    token_days: _TokenDays = 90
    most_token_days: _TokenDays = 365


class Runbooks(Section):
    """``[alerting.runbooks]``: ``base_url`` plus the alert's name is its runbook."""

    base_url: BaseUrl = "http://127.0.0.1:9465/runbooks/"
