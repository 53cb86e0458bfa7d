"""The hash from which Prometheus takes a group's offset: XXH64 with seed 0, of a few bytes."""

from __future__ import annotations

import struct
from typing import Final

_MASK: Final = 2**64 - 1
_P1: Final = 0x9E3779B185EBCA87
_P2: Final = 0xC2B2AE3D27D4EB4F
_P3: Final = 0x165667B19E3779F9
_P4: Final = 0x85EBCA77C2B2AE63
_P5: Final = 0x27D4EB2F165667C5
_STRIPE: Final = struct.Struct("<4Q")
_WORD: Final = struct.Struct("<Q")
_HALF: Final = struct.Struct("<I")


def xxh64(data: bytes) -> int:
    """As https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md has it."""
    whole = len(data) // _STRIPE.size * _STRIPE.size
    if whole:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        for words in _STRIPE.iter_unpack(data[:whole]):
            lanes = [_round(lane, word) for lane, word in zip(lanes, words, strict=True)]
        turns = zip(lanes, (1, 7, 12, 18), strict=True)
        found = sum(_turned(lane, by) for lane, by in turns) & _MASK
        for lane in lanes:
            found = ((found ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        found = _P5
    return _avalanche(_rest((found + len(data)) & _MASK, data[whole:]))


def _rest(found: int, data: bytes) -> int:
    at = 0
    while len(data) - at >= _WORD.size:
        (word,) = _WORD.unpack_from(data, at)
        found = (_turned(found ^ _round(0, word), 27) * _P1 + _P4) & _MASK
        at += _WORD.size
    if len(data) - at >= _HALF.size:
        (half,) = _HALF.unpack_from(data, at)
        found = (_turned(found ^ (half * _P1 & _MASK), 23) * _P2 + _P3) & _MASK
        at += _HALF.size
    for byte in data[at:]:
        found = _turned(found ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    return found


def _avalanche(found: int) -> int:
    found = (found ^ found >> 33) * _P2 & _MASK
    found = (found ^ found >> 29) * _P3 & _MASK
    return found ^ found >> 32


def _round(lane: int, word: int) -> int:
    return _turned((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


def _turned(value: int, by: int) -> int:
    return (value << by | value >> 64 - by) & _MASK
