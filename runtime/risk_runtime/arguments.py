"""Values of a command line, or what is wrong with them. Raise argparse.ArgumentTypeError."""

from __future__ import annotations

import argparse
import math
from decimal import Decimal, InvalidOperation

from risk_policy.model.base import split_endpoint


def endpoint(text: str) -> str:
    """HOST:PORT."""
    try:
        split_endpoint(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from error
    return text


def speed(text: str) -> float:
    """Above 0, infinity included."""
    value = _number(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be above 0, or inf")
    return value


def seconds(text: str) -> float:
    """A duration, 0 included."""
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds")
    return value


def interval(text: str) -> float:
    """A duration above 0, in seconds."""
    value = seconds(text)
    if not value:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds above 0")
    return value


def percent(text: str) -> float:
    """A percentage above 0, as a ratio."""
    value = _number(text)
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} must be above 0 and at most 1000")
    return value / 100


def money(text: str) -> Decimal:
    """An amount above 0."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount above 0")
    return amount


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
