"""Which keys have an effect, proven by watching what every part of the system reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from once_per_run import once
from pydantic import BaseModel
from told_chain import DAY, NEXT_DAY, Desk

import risk_alertmanager
import risk_rules
from risk_exporter import FastLane, RiskExporter
from risk_policy import Policy, default_policy_path, load_policy, parse_policy
from risk_policy.catalogue import runbooks
from risk_policy.contracts.audit import EventType
from risk_policy.model.base import Section
from risk_policy.model.policy import Alerting
from risk_policy.pending import NOT_YET_IN_EFFECT, is_pending, without_effect
from risk_receivers.channels import CHANNELS, enabled_channels
from risk_receivers.channels.outbox import Outbox
from risk_receivers.courier import Terms as ChannelTerms
from risk_receivers.errors import StartError
from risk_receivers.exposure import require_safe
from risk_receivers.periodic.keeper import ReportKeeper
from risk_receivers.periodic.period import Period
from risk_receivers.periodic.subject import gather
from risk_receivers.periodic.terms import Terms
from risk_receivers.service import running
from risk_receivers.signer.connect import connect
from risk_receivers.signer.errors import SignerError
from risk_receivers.store.places import place_of
from risk_receivers.telemetry import Telemetry
from risk_receivers.templating.renderer import Renderer
from risk_receivers.tls import secured
from risk_runtime import DeadMansSwitch, PreTradeLimits
from risk_runtime.paper.broker import BrokerState, PaperBroker
from risk_runtime.paper.countdown import PaperCountdown
from riskwarden.commands.audit.export import format_or_fail, seal_or_fail
from riskwarden.stack.layout import Layout
from riskwarden.stack.processes import Processes
from riskwarden.stack.stack import Binaries, Stack


def leaves(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel], str]]:
    """Every key of the policy, with the model and the field that hold it."""
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from leaves(annotation, f"{path}.{name}")
        elif get_origin(annotation) is not Literal or len(get_args(annotation)) > 1:
            # A key that takes one value only says what is done anyway.
            yield f"{path}.{name}", model, name


KEYS = list(leaves(Alerting, "alerting"))


@pytest.fixture(scope="module")
def effective(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The keys that some part reads, from the generators to the running services."""
    found = once(
        run_folder, "keys-in-effect", lambda: json.dumps(watched(tmp_path_factory.mktemp("parts")))
    )
    return set(json.loads(found))


def watched(folder: Path) -> list[str]:
    """Has every part use the policy, and sees which keys are read."""
    policy = load_policy(default_policy_path(), {})
    read: set[tuple[type, str]] = set()
    plain = Section.__getattribute__

    def watching(self: Section, name: str) -> Any:
        read.add((type(self), name))
        return plain(self, name)

    with pytest.MonkeyPatch.context() as patch:
        for key in type(policy.alerting.auth).model_fields:
            patch.setenv(f"RISKWARDEN_{key.upper()}", key)
        for name in ("SLACK_WEBHOOK_URL", "WEBHOOK_URL"):
            patch.setenv(name, "https://hooks.example.com/secret")
        for name in ("TELEGRAM_BOT_TOKEN", "WEBHOOK_HMAC_SECRET", "TWILIO_AUTH_TOKEN"):
            patch.setenv(name, "t")
        patch.setenv("RISKWARDEN_POSTGRESQL_DSN", "dbname=record")
        patch.setenv("APPRISE_URL", "json://127.0.0.1")
        patch.setattr(Section, "__getattribute__", watching)
        use(policy, folder)
    return [key for key, model, name in KEYS if (model, name) in read]


def use(policy: Policy, folder: Path) -> None:
    """Everything that a running system does with its policy."""
    risk_rules.generate(policy)
    risk_alertmanager.generate(with_business_hours(policy))
    risk_alertmanager.generate(with_every_channel(policy))
    for name in runbooks.names():
        runbooks.render(policy, name)
    lane = FastLane.from_policy(policy)
    with RiskExporter(policy, folder / "exporter", fast_lane=lane):
        pass
    PreTradeLimits.of(policy)
    DeadMansSwitch.from_policy(policy, PaperCountdown(PaperBroker(BrokerState(Decimal(1)))))
    layout = Layout(folder / "stack")
    layout.create()
    policy.alerting.auth.snapshot_token.reveal()
    enabled_channels(all_on := with_every_channel(policy))
    ChannelTerms.of_channels(all_on, wake=lambda: None)
    for name, make in CHANNELS.items():
        make(all_on, folder / name, Renderer().render_for(name)).close()
    format_or_fail(policy, None, folder / "export")
    seal_or_fail(policy, (), None, gzip=None)
    report(with_reports(policy), folder / "reported")
    audit = policy.alerting.audit.model_copy(update={"storage_backend": "postgresql"})
    place_of(audit, folder)
    with pytest.raises(SignerError):  # nobody listens there
        connect(audit.signing.model_copy(update={"signer": "socket"}), folder)
    dashboard = policy.alerting.dashboard
    require_safe("127.0.0.1", 9465, dashboard)
    tls = dashboard.tls.model_copy(update={"cert_file": "none.pem"})
    with pytest.raises(StartError):  # there is no such file
        secured(dashboard.model_copy(update={"tls": tls}), folder)
    with running(policy, folder / "receivers"), Processes(layout.log) as processes:
        # The command line is what reads the policy; no Prometheus is needed for that.
        Stack(policy, layout, processes)._prometheus(Binaries("true", "true"))


def report(policy: Policy, folder: Path) -> None:
    """Have a report written that is due, and hold a day against the objectives."""
    folder.mkdir()
    desk = Desk(folder / "audit.db", policy)
    wiring = (desk.database, desk._writer, Outbox({}), Telemetry())
    keeper = ReportKeeper(
        policy, folder, *wiring, wake_couriers=lambda: None, clock=lambda: desk._now
    )
    for when in (DAY, NEXT_DAY):
        desk.event(when, EventType.SERVICE_STARTED)
        keeper.round()
    desk.stop()
    gather(Terms.of(policy), desk.database, Period(DAY, NEXT_DAY), made_at=NEXT_DAY)


def with_reports(policy: Policy) -> Policy:
    """The policy with a daily report."""
    reports = policy.alerting.reports.model_copy(update={"enabled": True})
    alerting = policy.alerting.model_copy(update={"reports": reports})
    return policy.model_copy(update={"alerting": alerting})


def with_every_channel(policy: Policy) -> Policy:
    """The policy with all channels switched on that there are."""
    channels = policy.alerting.channels
    on = {name: getattr(channels, name).model_copy(update={"enabled": True}) for name in CHANNELS}
    alerting = policy.alerting.model_copy(update={"channels": channels.model_copy(update=on)})
    return policy.model_copy(update={"alerting": alerting})


def with_business_hours(policy: Policy) -> Policy:
    """The policy with business hours in force."""
    hours = policy.alerting.business_hours.model_copy(update={"enabled": True})
    alerting = policy.alerting.model_copy(update={"business_hours": hours})
    return policy.model_copy(update={"alerting": alerting})


@pytest.mark.parametrize("key", [key for key, _, _ in KEYS if not is_pending(key)])
def test_a_key_that_is_not_said_to_be_pending_is_read_by_some_part(
    key: str, effective: set[str]
) -> None:
    indirect = key.startswith("alerting.audit.retention.")  # read through days_for
    assert key in effective or indirect


def test_no_part_reads_a_key_that_is_said_to_be_pending(effective: set[str]) -> None:
    now_in_effect = sorted(key for key in effective if is_pending(key))
    assert now_in_effect == [], "take these off NOT_YET_IN_EFFECT"


def test_the_table_names_keys_and_tables_that_exist() -> None:
    for entry in NOT_YET_IN_EFFECT:
        assert any(f"{key}.".startswith(f"{entry}.") for key, _, _ in KEYS), entry


def test_what_is_written_without_effect_is_told_with_its_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = parse_policy(b"", environ={})
    written = {"alerting.security.intrusion_count": 3, "alerting.gate.lease_seconds": 5}
    assert without_effect(policy, written) == {}
    monkeypatch.setattr("risk_policy.pending.NOT_YET_IN_EFFECT", ("alerting.security",))
    assert without_effect(policy, written) == {"alerting.security.intrusion_count": 3}


def test_what_is_switched_off_is_not_said_to_be_without_effect() -> None:
    policy = parse_policy(b"[alerting.dashboard]\nenabled = false", environ={})
    written = {"alerting.dashboard.enabled": 2, "alerting.dashboard.port": 9}
    assert without_effect(policy, written) == {}
