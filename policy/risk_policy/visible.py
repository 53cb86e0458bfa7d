"""Text from outside, safe to show in a terminal or an editor.

Whoever can set a label or an annotation must not steer the terminal it is read in: move the
cursor, rewrite what stands above, set the title. Nor may a message read otherwise than it is
written, which is what characters that turn the direction of writing are for.
"""

from __future__ import annotations

from typing import Final

_STEERING: Final = (
    *(code for code in range(0x20) if code not in b"\t\n"),
    *range(0x7F, 0xA0),  # DEL, and the C1 controls: a terminal takes 0x9B for ESC [
    *(0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),  # direction
    *(0x2028, 0x2029),  # ends of lines to some readers
)
_SHOWN: Final = {code: f"\\u{code:04x}" for code in _STEERING}


def visible(text: str) -> str:
    """The same with everything that steers written out, in a way that JSON reads back."""
    return text.translate(_SHOWN)
