"""Relations between keys, checked on the file's tree so that they are reported beside all else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

from risk_policy.errors import Problem
from risk_policy.exposure import exposure_problems
from risk_policy.fallbacks import fallback_problems
from risk_policy.model.addresses import is_loopback, overlap
from risk_policy.model.stack import Endpoints, Routing
from risk_policy.permissions import permission_problems
from risk_policy.report_checks import report_problems
from risk_policy.tokens import token_problems
from risk_policy.values import Values

_POSITION = "alerting.thresholds.position."
_PORTFOLIO = "alerting.thresholds.portfolio."
_CONCENTRATION = "alerting.thresholds.concentration."
_EXPOSURE = "alerting.thresholds.exposure."
_BREAKERS = "alerting.circuit_breakers."
_BUDGET = "alerting.thresholds.budget."
_FREQUENCY = "alerting.escalation.frequency_based."
_TIME = "alerting.escalation.time_based."
_PROMETHEUS = "alerting.prometheus."
_SYSTEM = "alerting.system."


@dataclass(frozen=True, slots=True)
class Ladder:
    """Keys whose values must rise.

    Attributes:
        keys: smallest first.
        because: what goes wrong otherwise; completes "or …".
        may_be_equal: whether neighbours may hold the same value.
        may_end_in_zero: whether 0 as the last value means "at once" and breaks no order.
    """

    keys: tuple[str, ...]
    because: str = "the milder one never comes first"
    may_be_equal: bool = False
    may_end_in_zero: bool = False

    def problems(self, values: Values) -> Iterator[Problem]:
        """Neighbours that are not in order."""
        for lower, upper in pairwise(self.keys):
            low, high = values.number(lower), values.number(upper)
            if low is None or high is None or low < high or (self.may_be_equal and low == high):
                continue
            if self.may_end_in_zero and high == 0:
                continue
            # Told of the key that somebody wrote; the other one may be a default.
            if values.is_written(upper) and not values.is_written(lower):
                relation = "at least" if self.may_be_equal else "above"
                yield self._problem(upper, high, relation, lower, low)
            else:
                relation = "at most" if self.may_be_equal else "below"
                yield self._problem(lower, low, relation, upper, high)

    def _problem(self, key: str, value: float, relation: str, other: str, bound: float) -> Problem:
        # The whole key, unless both stand in the same table.
        same_table = key.rpartition(".")[0] == other.rpartition(".")[0]
        named = other.rpartition(".")[2] if same_table else other
        message = f"must be {relation} {named} = {bound:g}, or {self.because}"
        return Problem(key, f"{value:g}", message)


_DOWN = (
    "no second scrape falls into it and one lost scrape raises the alert "
    "(0 says that this is wanted)"
)

LADDERS: Final = (
    Ladder((_POSITION + "max_size_warning_pct", _POSITION + "max_size_breach_pct")),
    Ladder((_POSITION + "loss_warning_pct", _POSITION + "loss_critical_pct")),
    Ladder((_PORTFOLIO + "daily_loss_warning_pct", _PORTFOLIO + "daily_loss_breach_pct")),
    Ladder((_PORTFOLIO + "var_warning_pct", _PORTFOLIO + "var_breach_pct")),
    Ladder(
        (
            _PORTFOLIO + "max_drawdown_warning_pct",
            _PORTFOLIO + "max_drawdown_critical_pct",
            _PORTFOLIO + "max_drawdown_emergency_pct",
        )
    ),
    Ladder(
        (_CONCENTRATION + "single_asset_warning_pct", _CONCENTRATION + "single_asset_breach_pct")
    ),
    Ladder((_CONCENTRATION + "sector_warning_pct", _CONCENTRATION + "sector_breach_pct")),
    Ladder(
        (
            _TIME + "warning_to_critical_minutes",
            _TIME + "critical_to_emergency_minutes",
            _TIME + "emergency_kill_switch_minutes",
        )
    ),
    Ladder(
        (
            _FREQUENCY + "escalate_at_count",
            _FREQUENCY + "deduplicate_at_count",
            _FREQUENCY + "storm_alert_at_count",
        )
    ),
    Ladder(
        ("alerting.gate.renew_seconds", "alerting.gate.lease_seconds"),
        "the gate closes before it is renewed",
    ),
    Ladder(
        (_PROMETHEUS + "resend_delay_seconds", "alerting.dead_man.prometheus_seconds"),
        "the gate closes between two signs of life from Prometheus",
    ),
    Ladder(
        (_PROMETHEUS + "evaluation_interval_seconds", "alerting.dead_man.prometheus_seconds"),
        "the gate closes between two signs of life from Prometheus",
    ),
    Ladder(
        (_PROMETHEUS + "scrape_interval_seconds", _SYSTEM + "snapshot_stale_seconds"),
        "every snapshot is stale before it is seen again",
    ),
    Ladder(
        (_SYSTEM + "snapshot_stale_seconds", "alerting.dead_man.runtime_seconds"),
        "people are told that a snapshot is old only after the machine has acted on it",
    ),
    Ladder(
        (_PROMETHEUS + "scrape_interval_seconds", _SYSTEM + "exporter_down_seconds"),
        _DOWN,
        may_be_equal=True,
        may_end_in_zero=True,
    ),
    Ladder(
        (_PROMETHEUS + "scrape_interval_seconds", _SYSTEM + "receivers_down_seconds"),
        _DOWN,
        may_be_equal=True,
        may_end_in_zero=True,
    ),
    Ladder(
        ("alerting.measures.var_min_samples", "alerting.measures.var_window_days"),
        "the window never holds enough returns and value at risk stays unknown",
        may_be_equal=True,
    ),
    *(
        Ladder(
            (
                f"alerting.routing.{severity}.group_interval_seconds",
                f"alerting.routing.{severity}.repeat_interval_seconds",
            ),
            "repeats come later than they are asked for",
            may_be_equal=True,
        )
        for severity in Routing.model_fields
    ),
    Ladder((_POSITION + "risk_warning_pct", _POSITION + "risk_breach_pct")),
    Ladder(
        (_POSITION + "volatility_exit_contraction", _POSITION + "volatility_exit_expansion"),
        "every position is beyond one of them",
    ),
    Ladder((_PORTFOLIO + "cvar_warning_pct", _PORTFOLIO + "cvar_breach_pct")),
    Ladder((_PORTFOLIO + "usage_warning_pct", _PORTFOLIO + "usage_breach_pct")),
    Ladder((_EXPOSURE + "gross_warning_pct", _EXPOSURE + "gross_breach_pct")),
    Ladder((_EXPOSURE + "net_warning_pct", _EXPOSURE + "net_breach_pct")),
    Ladder((_EXPOSURE + "leverage_warning", _EXPOSURE + "leverage_breach")),
    Ladder((_EXPOSURE + "margin_critical_pct", _EXPOSURE + "margin_warning_pct")),
    Ladder((_BUDGET + "usage_warning_pct", _BUDGET + "usage_breach_pct")),
    Ladder(
        (
            _BREAKERS + "drawdown.warning_pct",
            _BREAKERS + "drawdown.critical_pct",
            _BREAKERS + "drawdown.emergency_pct",
        )
    ),
    Ladder(
        (
            _BREAKERS + "consecutive_losses.further_reduced_size_pct",
            _BREAKERS + "consecutive_losses.reduced_size_pct",
        ),
        "more losses do not make trades smaller",
    ),
    Ladder(
        (
            _BREAKERS + "consecutive_losses.reduce_at",
            _BREAKERS + "consecutive_losses.reduce_further_at",
            _BREAKERS + "consecutive_losses.halt_at",
        )
    ),
    Ladder(
        (
            "alerting.acknowledgement.default_minutes",
            "alerting.acknowledgement.max_minutes",
        ),
        "an acknowledgement that says nothing asks for too long",
        may_be_equal=True,
    ),
    Ladder(
        ("alerting.auth.token_days", "alerting.auth.most_token_days"),
        "a token that says nothing about its time asks for too long",
        may_be_equal=True,
    ),
    Ladder((_SYSTEM + "disk_free_critical_pct", _SYSTEM + "disk_free_warning_pct")),
    Ladder((_SYSTEM + "certificate_critical_days", _SYSTEM + "certificate_warning_days")),
    Ladder(
        (_PROMETHEUS + "evaluation_interval_seconds", _SYSTEM + "event_seconds"),
        "an event is over before a rule sees it",
    ),
)


def relation_problems(values: Values) -> Iterator[Problem]:
    """Everything that is wrong between keys that may each be right."""
    for ladder in LADDERS:
        yield from ladder.problems(values)
    yield from _hold_problems(values)
    yield from exposure_problems(values)
    yield from _endpoint_problems(values)
    yield from _mail_problems(values)
    yield from _sms_problems(values)
    yield from fallback_problems(values)
    yield from report_problems(values)
    yield from _button_problems(values)
    yield from _kill_command_problems(values)
    yield from token_problems(values)
    yield from permission_problems(values)


def _hold_problems(values: Values) -> Iterator[Problem]:
    """A figure that is withdrawn, and forgotten before anybody is told that it is missed."""
    wait, hold = _SYSTEM + "unevaluable_seconds", "alerting.latch.hold_missing_minutes"
    seconds, minutes = values.number(wait), values.number(hold)
    if seconds is None or minutes is None or seconds < 60 * minutes:
        return
    because = "nobody is told of a figure that an account stops telling"
    if values.is_written(wait) or not values.is_written(hold):
        message = f"must be below {hold} = {minutes:g}, {60 * minutes:g} s, or {because}"
        yield Problem(wait, f"{seconds:g}", message)
    else:
        message = f"must be longer than {wait} = {seconds:g}, or {because}"
        yield Problem(hold, f"{minutes:g}", message)


def _endpoint_problems(values: Values) -> Iterator[Problem]:
    """Two parts that would listen at the same place."""
    keys = [f"alerting.endpoints.{part}" for part in Endpoints.model_fields]
    for first, second in combinations(keys, 2):
        one, other = values.get(first), values.get(second)
        if not isinstance(one, str) or not isinstance(other, str):
            continue
        try:
            shared = overlap(one, other)
        except ValueError:  # no endpoint, which is reported by itself
            continue
        if shared:
            key, taken = (second, first) if values.is_written(second) else (first, second)
            message = f"is where {taken} listens too; give each part a port of its own"
            yield Problem(key, repr(values.get(key)), message)


def _mail_problems(values: Values) -> Iterator[Problem]:
    """Mail, or what goes through Apprise, that is sent to nobody."""
    key = "alerting.channels.email.to_addresses"
    enabled = values.get("alerting.channels.email.enabled") is True
    if enabled and values.get(key) in ([], ()):
        yield Problem(
            key,
            "[]",
            "is empty: the channel is enabled and would reach nobody; write whom to tell, "
            'e.g. ["operator@example.com"], or set alerting.channels.email.enabled = false',
        )
    if enabled:
        yield from _login_problems(values)
    key = "alerting.channels.apprise.urls"
    if values.get("alerting.channels.apprise.enabled") is True and values.get(key) in ([], ()):
        yield Problem(
            key,
            "[]",
            "is empty: the channel is enabled and would reach nobody; write "
            '["${APPRISE_URL}"], or set alerting.channels.apprise.enabled = false',
        )


def _login_problems(values: Values) -> Iterator[Problem]:
    """Half a login, or one that everybody on the way could read."""
    username, password, use_tls, host = (
        values.get(f"alerting.channels.email.{name}")
        for name in ("username", "password", "use_tls", "smtp_host")
    )
    if username and not password:
        key = "alerting.channels.email.username"
        message = 'is set without a password; add password = "${SMTP_PASSWORD}"'
        yield Problem(key, "(set)", message)
    if password and not username:
        message = "is set without a username, and nobody logs in; add username"
        yield Problem("alerting.channels.email.password", "(hidden)", message)
    if username and use_tls is False and isinstance(host, str) and not is_loopback(host):
        yield Problem(
            "alerting.channels.email.use_tls",
            "false",
            "sends the password readable over the network; set it to true, or log in nowhere",
        )


def _sms_problems(values: Values) -> Iterator[Problem]:
    """Text messages that are sent to nobody."""
    key = "alerting.channels.sms.to_numbers"
    enabled = values.get("alerting.channels.sms.enabled") is True
    if enabled and values.get(key) in ([], ()):
        yield Problem(
            key,
            "[]",
            "is empty: the channel is enabled and would reach nobody; write whom to tell, "
            'e.g. ["+15005550006"], or set alerting.channels.sms.enabled = false',
        )


def _kill_command_problems(values: Values) -> Iterator[Problem]:
    """A command that nobody may say."""
    section = "alerting.channels.telegram"
    if not all(values.get(f"{section}.{key}") is True for key in ("enabled", "kill_command")):
        return
    for key in ("allowed_users", "allowed_chats"):
        if values.get(f"{section}.{key}") in (None, [], ()):
            message = (
                f"nobody could say /kill unless {section}.{key} is set; set it, or take this out"
            )
            yield Problem(f"{section}.kill_command", "true", message)


def _button_problems(values: Values) -> Iterator[Problem]:
    """Half of what buttons need: there would be none, or ones that nobody may press."""
    pairs = (("telegram", "allowed_chats"), ("slack", "signing_secret"))
    for channel, other in pairs:
        if values.get(f"alerting.channels.{channel}.enabled") is not True:
            continue
        keys = [f"alerting.channels.{channel}.{name}" for name in ("allowed_users", other)]
        is_set = [values.get(key) not in (None, [], ()) for key in keys]
        if is_set[0] != is_set[1]:
            named, missing = (keys[0], keys[1]) if is_set[0] else (keys[1], keys[0])
            message = f"there are no buttons unless {missing} is set too; set it, or take this out"
            yield Problem(named, "(set)", message)
