"""Who is told, and who answered: channels, couriers, acknowledgements, the watch on the feeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_receivers.acks.client import AlertmanagerClient
from risk_receivers.acks.keeper import AckKeeper
from risk_receivers.acks.reconciler import Reconciler
from risk_receivers.acks.views import AckParts
from risk_receivers.buttons.telegram import telegram_buttons
from risk_receivers.buttons.telegram_keeper import telegram_keeper
from risk_receivers.channels import CHANNELS, Channel, enabled_channels
from risk_receivers.channels.orphans import move_orphans
from risk_receivers.channels.views import ChannelParts
from risk_receivers.core import Core
from risk_receivers.courier import Courier, Terms, channel_gauges
from risk_receivers.doors.door import SignedDoor
from risk_receivers.doors.slack import SLACK_PATH, slack_door
from risk_receivers.feed_watch import FeedWatch
from risk_receivers.overdue import Overdue
from risk_receivers.periodic.keeper import ReportKeeper
from risk_receivers.quiet.digest_watch import DigestWatch
from risk_receivers.telemetry import Telemetry
from risk_receivers.templating.renderer import Renderer
from risk_receivers.workers import Worker


@dataclass(frozen=True, slots=True)
class People:
    """What serves people.

    Attributes:
        workers: not started yet.
        signed: doors, by path, for what people do elsewhere.
    """

    acks: AckParts
    channels: ChannelParts
    feeds: FeedWatch
    workers: tuple[Worker, ...]
    signed: Mapping[str, SignedDoor]


@contextmanager
def open_channels(
    policy: Policy, data: Path, telemetry: Telemetry
) -> Iterator[Mapping[str, Channel]]:
    """The channels that the policy enables. Raises StartError for one that cannot work."""
    channels = enabled_channels(policy)
    for name in channels:
        telemetry.count(m.TEMPLATE_FAILURES, name, by=0)
    renderer = Renderer.from_policy(
        policy, broken=lambda name: telemetry.count(m.TEMPLATE_FAILURES, name)
    )
    with closing(renderer):
        yield {name: CHANNELS[name](policy, data, renderer.render_for(name)) for name in channels}


@contextmanager
def open_people(core: Core, channels: Mapping[str, Channel], alertmanager: str) -> Iterator[People]:
    """What tells people over the channels, and asks an Alertmanager for their silences.

    Raises StoreError.
    """
    alerting = core.policy.alerting
    for moved in move_orphans(core.policy, core.writer):
        if moved.taker:
            core.telemetry.count(m.FAILOVERS, moved.letter.channel, moved.taker)
    terms = Terms.of_channels(core.policy, core.bell.ring)
    couriers = [
        Courier(name, channel, core.database, core.writer, core.telemetry, terms[name])
        for name, channel in channels.items()
    ]
    by_name = {courier.channel_name: courier for courier in couriers}
    for courier in couriers:
        core.bell.wakes(courier)
    core.telemetry.add_source(lambda: channel_gauges(couriers))
    with closing(AlertmanagerClient(alertmanager)) as client:
        keeper = AckKeeper(
            client=client,
            database=core.database,
            writer=core.writer,
            outbox=core.outbox,
            terms=alerting.acknowledgement,
            telemetry=core.telemetry,
            wake=core.bell.ring,
        )
        reconciler = Reconciler(
            keeper=keeper,
            client=client,
            database=core.database,
            writer=core.writer,
            teller=core.teller,
            policy=core.policy,
            telemetry=core.telemetry,
            wake=core.bell.ring,
            interval_seconds=alerting.prometheus.evaluation_interval_seconds,
        )
        digests = DigestWatch(
            core.database,
            core.writer,
            core.teller,
            core.telemetry,
            interval_seconds=alerting.prometheus.evaluation_interval_seconds,
            wake_couriers=core.bell.ring,
        )
        feeds = FeedWatch(
            core.writer,
            core.outbox,
            core.telemetry,
            policy=core.policy,
            wake_couriers=core.bell.ring,
        )
        reports = ReportKeeper(
            core.policy,
            core.data,
            core.database,
            core.writer,
            core.outbox,
            core.telemetry,
            wake_couriers=core.bell.ring,
        )
        wiring = (core.policy, keeper, core.database)
        bot = channels.get("telegram")
        telegram = telegram_buttons(
            *wiring, core.writer, core.telemetry, core.refusals.note, bot, core.recorder
        )
        shown = telegram_keeper(*wiring, core.writer, core.telemetry, bot)
        slack = slack_door(*wiring, core.writer, core.telemetry, core.refusals.note)
        yield People(
            acks=AckParts(keeper, core.database, alerting.acknowledgement),
            channels=ChannelParts(
                alerting.channels,
                by_name,
                core.database,
                core.writer,
                core.bell.ring,
            ),
            feeds=feeds,
            workers=(
                *(*couriers, reconciler, digests, feeds, reports),
                Overdue(
                    terms,
                    core.database,
                    core.writer,
                    core.telemetry,
                    lambda channel, number: by_name[channel].has_confirmed(number),
                ),
                *((telegram,) if telegram is not None else ()),
                *((shown,) if shown is not None else ()),
                *((slack[0],) if slack is not None else ()),
            ),
            signed={SLACK_PATH: slack[1]} if slack is not None else {},
        )
