"""A message in words, the way one channel wants them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from risk_receivers.channels.message import Owed


class Rendered(msgspec.Struct, frozen=True):
    """What people read.

    Attributes:
        subject: one line, for a heading or a notification.
        text: the whole message in the channel's own markup, with everything that comes from
            labels and annotations escaped for it; plain text where the channel knows none.
        html: the whole message as HTML; empty unless the channel takes it.
    """

    subject: str
    text: str
    html: str = ""


#: Puts a message in words for one channel.
Render = Callable[[Owed], Rendered]
