"""Alerts about the risk layer itself: its parts, figures, rules, messages and records."""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.limits.limit import Kind
from risk_policy.catalogue.system.alert import SystemAlert
from risk_policy.contracts.alert import WATCHDOG as WATCHDOG_NAME
from risk_policy.vocabulary import Action, Category, Severity

_S: Final = "alerting.system"

WATCHDOG: Final = SystemAlert(
    WATCHDOG_NAME, "watchdog", Severity.DEBUG, Action.LOG, "",
    "The alert pipeline is alive",
    "Fires always. When it stops arriving, Prometheus or Alertmanager is dead.",
    "Nothing to do while it arrives. If it is missing, start Prometheus and Alertmanager first; "
    "no other alert can be trusted until then.",
)  # fmt: skip

# -- parts that are dead ---------------------------------------------------------------------

EXPORTER_DOWN: Final = SystemAlert(
    "RISK_EXPORTER_DOWN", "exporter_down", Severity.CRITICAL, Action.NOTIFY,
    f"{_S}.exporter_down_seconds",
    "The risk exporter cannot be scraped",
    "Prometheus gets no risk figures, so no limit can be watched.",
    "Check that the trading runtime and its exporter run and that Prometheus can reach them. "
    "Treat the account as unwatched: consider tripping the kill switch by hand.",
)  # fmt: skip

RECEIVERS_DOWN: Final = SystemAlert(
    "RISK_RECEIVERS_DOWN", "receivers_down", Severity.CRITICAL, Action.NOTIFY,
    f"{_S}.receivers_down_seconds",
    "The receivers service cannot be scraped",
    "No alert is recorded and the kill switch cannot trip. The gate closes by itself once its "
    "lease runs out.",
    "Start the receivers service. Alerts that still fire are sent again and recorded then.",
)  # fmt: skip

STANDBY_MISSING: Final = SystemAlert(
    "RISK_STANDBY_MISSING", "standby_missing", Severity.WARNING, Action.NOTIFY,
    f"{_S}.receivers_down_seconds",
    "One of the receivers cannot be scraped",
    "Others work, so nothing is lost. But if those fail too, nobody takes over: alerts are not "
    "recorded then and the gate closes.",
    "Start the one that is missing, or find out why Prometheus cannot reach it. If it is not to "
    "come back, take it out of alerting.high_availability.peers.",
)  # fmt: skip

NOT_RECORDING: Final = SystemAlert(
    "RISK_NOT_RECORDING", "not_recording", Severity.CRITICAL, Action.NOTIFY, "",
    "The receivers cannot record",
    "Their store takes no durable writes: alerts are refused until it does, people are not told "
    "of them, and the gate refuses new risk. The kill switch still trips.",
    "End whatever else holds the audit database, a backup or an sqlite shell; /readyz says whether "
    "it hangs. Otherwise look for room and errors on the disk and mend them: then they go on.",
)  # fmt: skip

ALERTMANAGER_DOWN: Final = SystemAlert(
    "RISK_ALERTMANAGER_DOWN", "alertmanager_down", Severity.CRITICAL, Action.NOTIFY,
    f"{_S}.alertmanager_down_seconds",
    "Alertmanager cannot be scraped",
    "Nobody is told about anything in the usual way. Alerts are still recorded, and the kill "
    "switch still trips.",
    "Start Alertmanager. Until then watch the console or the receivers' API.",
)  # fmt: skip

#: Raised by Prometheus about other alerts, as nobody else knows of both.
ALERT_UNHEARD: Final = SystemAlert(
    "RISK_ALERT_UNHEARD", "alert_unheard", Severity.CRITICAL, Action.NOTIFY, "",
    "{subject} fires, and the receivers do not hear it",
    "The receivers are down or cannot record, so they tell nobody of it and do nothing about it.",
    "Look at Prometheus's or Alertmanager's alerts now. Judge the account by hand, and start the "
    "receivers.",
    identity=("of_severity", "watched"),
    measured="Alerts of this name that fire: {value}.",
    never_escalates=True,
)  # fmt: skip

# -- figures that cannot be trusted ----------------------------------------------------------

DATA_STALE: Final = SystemAlert(
    "RISK_DATA_STALE", "data_stale", Severity.CRITICAL, Action.NOTIFY, "",
    "Account {subject} has sent no snapshot for too long",
    "The exporter answers, but its figures are old: every limit is judged on the past.",
    "Check the trading runtime: is it alive, is it connected, does its clock run?",
    identity=("account",),
    measured="The latest snapshot of account {subject} is {value} old.",
    kind=Kind.TIME,
)  # fmt: skip

RUNTIME_SILENT: Final = SystemAlert(
    "RISK_RUNTIME_SILENT", "runtime_silent", Severity.CRITICAL, Action.PAUSE_NEW_ENTRIES, "",
    "The runtime of account {subject} has fallen silent",
    "No fresh snapshot of it has been seen for as long as the policy allows: the runtime hangs or "
    "is dead, or its exporter is. Nobody knows what the account holds now.",
    "Look at the venue itself, then at the trading runtime and its exporter: start again what is "
    "dead. It ends with the next fresh snapshot; a kill switch that it tripped has to be cleared.",
    identity=("account",),
    action_key="alerting.dead_man.runtime_action",
)  # fmt: skip

NO_ACCOUNT: Final = SystemAlert(
    "RISK_NO_ACCOUNT", "no_account", Severity.CRITICAL, Action.NOTIFY, "",
    "No account has sent a snapshot",
    "The exporter answers, but knows of no account: no limit can be watched.",
    "Check the trading runtime: is it alive, does it send snapshots to this exporter?",
)  # fmt: skip

CLOCK_SKEW: Final = SystemAlert(
    "RISK_CLOCK_SKEW", "clock_skew", Severity.WARNING, Action.NOTIFY, "",
    "The clocks of {subject} and of Prometheus disagree",
    "Ages, days, timers and what still fires are judged on both; they are wrong by as much.",
    "Check time synchronisation on both machines; with the receivers' clock off by more than an "
    "alert's repeats the gate stays closed.",
    identity=("instance",),
    measured="They are {value} apart.",
    kind=Kind.TIME,
)  # fmt: skip

VALUE_NAN: Final = SystemAlert(
    "RISK_VALUE_NAN", "value_nan", Severity.WARNING, Action.NOTIFY,
    f"{_S}.unevaluable_seconds",
    "A figure of {subject} is not a number",
    "The limit cannot be evaluated. A breach that was there is held; a new one is not seen.",
    "Check the snapshot that the figure comes from; for value at risk, give it more history.",
    identity=("account", "watched"),
)  # fmt: skip

LIMIT_UNEVALUABLE: Final = SystemAlert(
    "RISK_LIMIT_UNEVALUABLE", "limit_unevaluable", Severity.CRITICAL, Action.NOTIFY,
    f"{_S}.unevaluable_seconds",
    "Nobody reports what limit {subject} watches",
    "The account is reported, but without the figure that this limit is judged by.",
    "Let the runtime report it, or take the limit out of alerting.system.required_limits.",
    identity=("account", "watched"),
)  # fmt: skip

VAR_INCOMPLETE: Final = SystemAlert(
    "RISK_VAR_INCOMPLETE", "var_incomplete", Severity.WARNING, Action.NOTIFY,
    f"{_S}.unevaluable_seconds",
    "Value at risk of account {subject} leaves out positions",
    "Some positions have too little price history, so their risk is not in the figure.",
    "Give the exporter daily closes of every symbol, or treat those positions as extra risk.",
    identity=("account",),
    measured="It covers {value} of what is held.",
    kind=Kind.RATIO,
)  # fmt: skip

STATE_UNSAVED: Final = SystemAlert(
    "RISK_EXPORTER_STATE_UNSAVED", "state_unsaved", Severity.WARNING, Action.NOTIFY, "",
    "The exporter cannot store its state",
    "After a restart, peak and day start would be older than they are now.",
    "Check the disk and the permissions of the exporter's state folder.",
    measured="The oldest change has waited {value}.",
    kind=Kind.TIME,
)  # fmt: skip

FAST_LANE_OFF: Final = SystemAlert(
    "RISK_FAST_LANE_OFF", "fast_lane_off", Severity.WARNING, Action.NOTIFY, "",
    "The fast lane of {subject} is off although the policy has it on",
    "What trips the kill switch is told once Prometheus has seen it, seconds later.",
    "Give the exporter the token of the alert feed (RISKWARDEN_ALERT_FEED_TOKEN) and start it "
    "again; embedded, with fast_lane=FastLane.from_policy(policy). Or set "
    "alerting.fast_lane.enabled = false.",
    identity=("instance",),
)  # fmt: skip

FAST_LANE_UNHEARD: Final = SystemAlert(
    "RISK_FAST_LANE_UNHEARD", "fast_lane_unheard", Severity.CRITICAL, Action.NOTIFY,
    f"{_S}.receivers_down_seconds",
    "The receivers do not acknowledge what the fast lane of {subject} posts",
    "A breach that trips the kill switch has reached them through Prometheus alone, or not at all.",
    "Look whether the kill switch is tripped; if it is not, trip it. Then see in the exporter's "
    "log what the receivers answer: a token that is wrong, an address, a store that cannot record.",
    identity=("instance",),
    measured="{value} such breaches wait.",
)  # fmt: skip

# -- rules and configuration -----------------------------------------------------------------

POLICY_DRIFT: Final = SystemAlert(
    "RISK_POLICY_DRIFT", "policy_drift", Severity.WARNING, Action.NOTIFY,
    f"{_S}.policy_drift_seconds",
    "Running parts disagree about the policy",
    "Exporter, rules and receivers were started from different versions of the policy.",
    "Run `riskwarden generate`, reload Prometheus and Alertmanager, restart what still shows "
    "the old digest in risk_policy_info.",
)  # fmt: skip

RULES_FAILING: Final = SystemAlert(
    "RISK_RULES_FAILING", "rules_failing", Severity.CRITICAL, Action.NOTIFY, "",
    "Prometheus cannot evaluate some rules",
    "A rule that fails watches nothing.",
    "Look at Prometheus's rules page and log for the rule and its error.",
)  # fmt: skip

RULES_LATE: Final = SystemAlert(
    "RISK_RULES_LATE", "rules_late", Severity.WARNING, Action.NOTIFY, "",
    "Prometheus misses evaluations of rules",
    "Rules take longer than their interval, so alerts come late.",
    "Check the load of the machine, or evaluate less often.",
)  # fmt: skip

CONFIG_RELOAD_FAILED: Final = SystemAlert(
    "RISK_CONFIG_RELOAD_FAILED", "config_reload_failed", Severity.CRITICAL, Action.NOTIFY, "",
    "Prometheus or Alertmanager refused its configuration",
    "It goes on with the old one: a changed policy is not in force.",
    "Run promtool or amtool check-config on the file, mend it, reload.",
    identity=("job",),
)  # fmt: skip

ALERTS_UNDELIVERED: Final = SystemAlert(
    "RISK_ALERTS_UNDELIVERED", "alerts_undelivered", Severity.WARNING, Action.NOTIFY, "",
    "Prometheus could not deliver alerts to {subject}",
    "What fires is sent again; until it arrives, nobody there knows.",
    "Check that the service runs and that its token is the same on both sides.",
    identity=("alertmanager",),
)  # fmt: skip

# -- delivery and audit ----------------------------------------------------------------------

CHANNEL_FAILING: Final = SystemAlert(
    "RISK_CHANNEL_FAILING", "channel_failing", Severity.WARNING, Action.NOTIFY, "",
    "Messages through channel {subject} fail",
    "People who rely on it are told by the channels that take over from it, if there are any, "
    "and else not at all.",
    "See `riskwarden channels health` for what its service answers, mend it, and prove it with "
    "`riskwarden channels test`.",
    identity=("channel",),
)  # fmt: skip

DEAD_LETTERS: Final = SystemAlert(
    "RISK_DEAD_LETTERS", "dead_letters", Severity.WARNING, Action.NOTIFY, "",
    "Messages through channel {subject} were given up",
    "They were refused for good or failed while others arrived, no other channel could take them "
    "over, and people were not told; or some of those they are for were refused.",
    "See `riskwarden channels dead-letters` for which and why, mend the channel or its list of "
    "recipients, and send them again with `riskwarden channels dead-letters resend`, or dismiss "
    "what is out of date.",
    identity=("channel",),
)  # fmt: skip

CHAIN_BROKEN: Final = SystemAlert(
    "RISK_AUDIT_CHAIN_BROKEN", "audit_broken", Severity.CRITICAL, Action.REVIEW, "",
    "A record of the audit chain does not match it",
    "Somebody or something changed what had been recorded.",
    "Do not restart anything. Copy the store, run `riskwarden audit verify`, find the record.",
    category=Category.SECURITY,
    trips_if="alerting.kill_switch.on_broken_chain",
)  # fmt: skip

CHAIN_TRUNCATED: Final = SystemAlert(
    "RISK_AUDIT_CHAIN_TRUNCATED", "audit_truncated", Severity.CRITICAL, Action.REVIEW, "",
    "The audit chain is shorter than it was",
    "Records at its end have been removed, or an old copy was put in place.",
    "Do not restart anything. Copy the store and compare it with backups and with the heads "
    "that messages carry.",
    category=Category.SECURITY,
    is_event=True,
    trips_if="alerting.kill_switch.on_broken_chain",
)  # fmt: skip

CHAIN_REWRITTEN: Final = SystemAlert(
    "RISK_AUDIT_CHAIN_REWRITTEN", "audit_rewritten", Severity.CRITICAL, Action.REVIEW, "",
    "The audit chain has another head at the same length",
    "What was recorded last has been replaced.",
    "Do not restart anything. Copy the store and compare it with backups and with the heads "
    "that messages carry.",
    category=Category.SECURITY,
    is_event=True,
    trips_if="alerting.kill_switch.on_broken_chain",
)  # fmt: skip

CHAIN_UNSIGNED: Final = SystemAlert(
    "RISK_AUDIT_CHAIN_UNSIGNED", "audit_unsigned", Severity.WARNING, Action.NOTIFY, "",
    "What is recorded in the audit chain is not being signed",
    "Recording goes on, and everything is signed once the signer works again. Until then somebody "
    "who can write the store could change what has been recorded since without a signature to "
    "contradict them; the heads that messages carry still would.",
    "Read the receivers' log for what the signer says. A key or state file that is missing or "
    "cannot be read: restore it. A head that it refuses: copy the store and run `riskwarden audit "
    "verify`, for the chain was cut, forked or replaced.",
    category=Category.SECURITY,
    measured="The first of it has waited for {value}.",
    kind=Kind.TIME,
)  # fmt: skip

RETENTION_STOPPED: Final = SystemAlert(
    "RISK_AUDIT_RETENTION_STOPPED", "audit_retention_stopped", Severity.WARNING, Action.REVIEW, "",
    "Nothing is deleted from the audit chain, whatever is due",
    "Time has passed on the clock that nobody saw pass: the service did not run for more than a "
    "day, or somebody has set the clock forward, which would delete what is not due. Or every "
    "attempt to delete has failed for more than a day.",
    "The receivers' log says which. Compare the clock with another one. If it is right, there is "
    "nothing to do: retention goes on a day later, or at once with `riskwarden audit prune "
    "--clock-is-right`. If it is wrong, find out who set it, set it right, and run `riskwarden "
    "audit verify`. If attempts fail, `riskwarden audit prune` says why by hand, too.",
    category=Category.SECURITY,
)  # fmt: skip

REPORTS_FAILING: Final = SystemAlert(
    "RISK_REPORTS_FAILING", "reports_failing", Severity.WARNING, Action.NOTIFY, "",
    "A report that is due cannot be written",
    "Whoever waits for it gets none. It is tried again every minute; what it is about is on "
    "record, and nothing of it is lost.",
    "Read the receivers' log for which and why: no room or no permission in the folder of reports, "
    "a chain that cannot be read, no time. `riskwarden report` writes it by hand.",
)  # fmt: skip

UNEXPECTED_ERRORS: Final = SystemAlert(
    "RISK_UNEXPECTED_ERRORS", "unexpected_errors", Severity.WARNING, Action.NOTIFY, "",
    "The {subject} met errors that nobody had planned for",
    "It goes on, but something in it does not work as designed.",
    "Read its log; report the traceback.",
    identity=("component",),
)  # fmt: skip

DISK_LOW: Final = SystemAlert(
    "RISK_DISK_LOW", "disk_low", Severity.WARNING, Action.NOTIFY, "",
    "The disk of the {subject} is filling up",
    "When it is full, nothing can be recorded.",
    "Make room.",
    identity=("component",),
    measured="{value} of it is free.",
    kind=Kind.RATIO,
)  # fmt: skip

DISK_FULL: Final = SystemAlert(
    "RISK_DISK_FULL", "disk_full", Severity.CRITICAL, Action.NOTIFY, "",
    "The disk of the {subject} is nearly full",
    "When it is full, alerts can no longer be recorded and feeds are answered with errors.",
    "Make room now.",
    identity=("component",),
    measured="{value} of it is free.",
    kind=Kind.RATIO,
)  # fmt: skip

CERTIFICATE_EXPIRING: Final = SystemAlert(
    "RISK_CERTIFICATE_EXPIRING", "certificate_expiring", Severity.WARNING, Action.NOTIFY, "",
    "The TLS certificate of the receivers will expire",
    "After that browsers refuse the console, and people cannot acknowledge or trip there. The "
    "feeds and the gate are not concerned.",
    "Renew it; the receivers take up the new file by themselves.",
    measured="It is good for {value} more.",
    kind=Kind.TIME,
)  # fmt: skip

CERTIFICATE_ENDING: Final = SystemAlert(
    "RISK_CERTIFICATE_ENDING", "certificate_ending", Severity.CRITICAL, Action.NOTIFY, "",
    "The TLS certificate of the receivers is about to expire, or has expired",
    "Browsers refuse the console from then on, and people cannot acknowledge or trip there. The "
    "feeds and the gate are not concerned.",
    "Renew it now; the receivers take up the new file by themselves. Until then riskwarden kill "
    "works, on the machine itself.",
    measured="It is good for {value} more.",
    kind=Kind.TIME,
)  # fmt: skip
