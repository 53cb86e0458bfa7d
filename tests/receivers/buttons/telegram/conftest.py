"""Telegram, where people were told of a breach, with buttons below."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from telegram_rig import Rig
from telegram_stand_in import TelegramStandIn


@pytest.fixture
def rig(behind: Any) -> Iterator[Rig]:
    with TelegramStandIn() as telegram:
        rig = Rig(telegram, behind)
        rig.listen()
        rig.tell()
        yield rig
