"""What the security monitor watches, and when it stops listening to an address."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from risk_policy.model.base import AtMost, Count, Days, Minutes, Number, Section, Switch
from risk_policy.model.dashboard import Network


class Blocking(Section):
    """``[alerting.security.blocking]``: addresses to whose strangers nobody listens for a while.

    Whoever brings a good token or session is answered all the same, and so are probes and scrapes.

    Attributes:
        at_score: a wrong token or password counts 10, a request that looks like an attack 35, one
            too many 2; all of it half as much after every half-life.
        minutes: how long a block lasts.
        never: networks of which no address is ever blocked.
    """

    enabled: Switch = True
    at_score: Annotated[Number, Field(ge=10, le=10_000)] = 90
    half_life_minutes: Annotated[
        Minutes, AtMost(1440, "slips of the hand of many days would add up to a block")
    ] = 10
    minutes: Annotated[
        Minutes, AtMost(1440, "an address is somebody else's the day after, and a block ends")
    ] = 15
    never: tuple[Network, ...] = ("127.0.0.0/8", "::1")


class Rotation(Section):
    """``[alerting.security.rotation]``: how old secrets may become before somebody is told.

    Attributes:
        api_keys_days: tokens, keys and passwords, all but those of the others.
        database_days: what opens the audit store's server.
    """

    api_keys_days: Days = 90
    telegram_days: Days = 180
    database_days: Days = 90


class Security(Section):
    """``[alerting.security]``: events within ``window_minutes`` before somebody is told.

    Attributes:
        after_hours: whether log-ins and dangerous acts outside the times and weekdays of
            ``[alerting.business_hours]`` count, whether those are enabled or not.
        bulk_export_records: audit records that one may read within the window before it counts as
            an export in bulk.
    """

    window_minutes: Annotated[
        Minutes, AtMost(60, "an attack that is over would be shown for as long")
    ] = 5
    auth_failed_count: Count = 5
    login_failed_count: Count = 5
    rate_limited_count: Count = 50
    intrusion_count: Count = 1
    new_address_count: Count = 1
    bulk_export_count: Count = 1
    bulk_export_records: Count = 20_000
    after_hours: Switch = False
    after_hours_count: Count = 1
    blocking: Blocking = Blocking()
    rotation: Rotation = Rotation()
