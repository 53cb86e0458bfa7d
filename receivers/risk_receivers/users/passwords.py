"""Which passwords are taken: long ones that nobody would try first.

As NIST SP 800-63B-4 has it: length is asked for and no kinds of characters, nothing expires, and
what everybody tries first is refused, and so is what is made of the name itself.
"""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import Final

#: What section 3.1.1.2 asks of a password that may stand alone.
LEAST_LENGTH: Final = 15
#: Far more than the 64 that have to be possible; a hash of it takes no longer than of any other.
MOST_LENGTH: Final = 256
#: Fewer different characters than this are a pattern and no password.
_LEAST_DIFFERENT: Final = 6
#: Shorter parts than this of a name stand in many good passwords.
_TELLING_LENGTH: Final = 4
#: What the lists of leaked passwords begin with. What is made of such words alone, once or again
#: and again, with digits and signs around them, is none either.
_COMMON: Final = """
password passwort passwd pass kennwort geheim secret admin administrator root user login guest
default changeme change me please letmein let in welcome willkommen qwerty qwertz azerty qwertyuiop
asdfghjkl zxcvbnm yxcvbnm abc abcd abcdef abcdefg abcdefghijklmnopqrstuvwxyz iloveyou love monkey
dragon football baseball master sunshine princess shadow superman batman trustno hallo hello test
testing temp trading trader risk riskwarden warden dashboard grafana prometheus alertmanager summer
winter spring autumn sommer correct horse battery staple the my is this one two three
"""
_BY_LENGTH: Final = sorted(_COMMON.split(), key=len, reverse=True)


def normalised(password: str) -> str:
    """The one spelling of what may be typed in several ways, whatever keyboard it comes from."""
    return unicodedata.normalize("NFKC", password)


def fault_of(password: str, name: str) -> str:
    """Why it is not taken as somebody's password; empty if it is. Never tells what it is."""
    password = normalised(password)
    if len(password) < LEAST_LENGTH:
        return f"needs {LEAST_LENGTH} characters at least: several words are good, and easy to type"
    if len(password) > MOST_LENGTH:
        return f"may have {MOST_LENGTH} characters at most"
    if "\0" in password:
        return "must not contain the character NUL"
    plain = password.casefold()
    if len(set(plain)) < _LEAST_DIFFERENT:
        return f"needs {_LEAST_DIFFERENT} different characters at least"
    if _is_run(plain) or _is_repeated(plain):
        return "is a pattern that everybody tries first"
    left = plain
    for part in _parts(name):
        left = left.replace(part, " ")
    if sum(character.isalnum() for character in left) < LEAST_LENGTH // 2:
        return "is made of the name it belongs to"
    for word in _BY_LENGTH:
        left = left.replace(word, " ")
    if not any(character.isalpha() for character in left):
        return "is made of what everybody tries first, and of the name"
    return ""


def _parts(name: str) -> list[str]:
    """A name, and what it is made of, such as ``ann.smith@desk``."""
    plain = "".join(c if c.isalnum() else " " for c in name.casefold())
    parts = (name.casefold(), *plain.split())
    return [part for part in parts if len(part) >= _TELLING_LENGTH]


def _is_run(text: str) -> bool:
    """Whether every character is the one after the last, up or down: 0123456789, zyx."""
    steps = {ord(later) - ord(earlier) for earlier, later in pairwise(text)}
    return len(steps & {1, -1}) == 1 and steps <= {1, -1, 9, -9, 25, -25}


def _is_repeated(text: str) -> bool:
    """Whether it is one short piece again and again."""
    longest = LEAST_LENGTH // 2
    return any(text == (text[:size] * len(text))[: len(text)] for size in range(1, longest + 1))
