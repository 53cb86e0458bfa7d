"""The backtest of value at risk as a document. Pure: what is said follows from the figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Final

from risk_policy.quantities import percent
from risk_receivers.document.model import (
    Block,
    Document,
    Figure,
    Figures,
    Finding,
    Findings,
    Mark,
    Paragraph,
    Point,
    Section,
    Series,
    Table,
    TimeChart,
    Tone,
    Unit,
)
from risk_receivers.document.words import moment
from riskwarden.var_backtest.coverage import SIGNIFICANCE, LikelihoodRatio
from riskwarden.var_backtest.observations import Observation, Observed
from riskwarden.var_backtest.traffic_light import BASEL_DAYS, TrafficLight, Zone
from riskwarden.var_backtest.verdict import Verdict

_TONES: Final = {Zone.GREEN: Tone.GOOD, Zone.YELLOW: Tone.WARNING, Zone.RED: Tone.CRITICAL}
_NONE: Final = "cannot be told"
#: Formulas stand in `coverage` and `traffic_light`.
_METHOD: Final = (
    (
        "A forecast is the value at risk that was exported last on the trading day before, of the "
        "book as it was then and of returns before that day: nothing of the day it is held "
        "against. The profit is the change of equity over the day, with all that was traded, paid "
        "and deposited on it. An exception lost more than the forecast; as much is none."
    ),
    (
        "Unconditional coverage: Kupiec, Journal of Derivatives 3 (1995). Independence against a "
        "first-order Markov chain, and conditional coverage as the sum of both statistics: "
        "Christoffersen, International Economic Review 39 (1998). p-values are those of the "
        "chi-square distribution. Pairs of days are counted only where no day between them is "
        "left out."
    ),
    (
        "Traffic light: Basel Committee, Supervisory framework for the use of backtesting (1996), "
        f"written for {BASEL_DAYS} days at 99 %. For others the zones follow from its rule: "
        "yellow from where so many exceptions or fewer have a chance of 95 %, red from 99.99 %; "
        "no plus factor is defined for them."
    ),
)


@dataclass(frozen=True, slots=True)
class About:
    """What the report is about, and when it was made."""

    account: str
    source: str
    made_at: datetime
    policy: str


def document(about: About, observed: Observed, verdict: Verdict | None) -> Document:
    """The whole report."""
    observations = observed.observations
    period = "none"
    if observations:
        first, last = observations[0].day, observations[-1].day
        period = f"{len(observations)}, from {first} to {last}"
    meta = [
        ("Account", about.account),
        ("Days judged", period),
        ("Value at risk", _convention(observed)),
        ("From", about.source),
        ("Policy", about.policy),
        ("Made at", moment(about.made_at)),
    ]
    blocks = (
        (_nothing(observed),)
        if verdict is None or not observations
        else tuple(_judged(observed, verdict))
    )
    return Document(
        f"Value at risk of {about.account}, backtested",
        tuple(meta),
        (*blocks, *_left_out(observed), _method(observed)),
    )


def _convention(observed: Observed) -> str:
    if observed.confidence_pct is None:
        return "none on record"
    return f"historical simulation, {observed.confidence_pct:g} %, one day, {observed.currency}"


def _nothing(observed: Observed) -> Paragraph:
    if observed.confidence_pct is None:
        return Paragraph(
            "No value at risk is on record, so there is nothing to hold against what happened. An "
            "exporter records one with every trading day that ends.",
            Tone.WARNING,
        )
    levels = ", ".join(f"{level:g} %" for level in sorted(observed.levels)) or "none"
    return Paragraph(
        f"No day can be judged at {observed.confidence_pct:g} %. A day is judged once it is over "
        f"and the one before it ended with a forecast. Levels on record: {levels}.",
        Tone.WARNING,
    )


def _judged(observed: Observed, verdict: Verdict) -> Iterator[Block]:
    exceptions = verdict.exceptions
    yield Figures(
        (
            Figure(
                "Exceptions",
                f"{len(exceptions)}",
                f"in {verdict.days} days; {verdict.expected:.4g} are to be expected",
                _coverage_tone(verdict),
            ),
            Figure(
                "Traffic light",
                str(verdict.light.zone or _NONE),
                f"{verdict.light.exceptions} in the last {verdict.light.days} days",
                _zone_tone(verdict.light),
            ),
            replace(_p("Coverage", verdict.coverage), tone=_coverage_tone(verdict)),
            _p("Independence", verdict.alone),
            _p("Both at once", verdict.both),
        )
    )
    yield Findings(tuple(_findings(observed, verdict)))
    yield _chart(observed)
    yield _exceptions(exceptions, observed.currency)
    yield Section("Tests", (_tests(verdict), *_rough(verdict), _light(verdict)))


def _findings(observed: Observed, verdict: Verdict) -> Iterator[Finding]:
    count, expected = len(verdict.exceptions), verdict.expected
    seen = f"{count} exceptions in {verdict.days} days, {expected:.4g} expected"
    if verdict.coverage.rejects is None:
        yield Finding("There are too few days to judge anything by.", verdict.coverage.why_not)
    elif not verdict.is_refuted:
        chance = f"p {_shown(verdict.coverage.p_value)}"
        if verdict.coverage.rejects:
            chance = f"so few or fewer have a chance of {_shown(verdict.chance_of_fewer)}"
            if count > expected:
                chance = f"so many or more have a chance of {_shown(verdict.chance_of_more)}"
        yield Finding(
            "Exceptions are about as frequent as they should be.", f"{seen}; {chance}", Tone.GOOD
        )
    elif count > expected:
        yield Finding(
            "Value at risk is too low: losses exceed it more often than it says.",
            f"{seen}; so many or more have a chance of {_shown(verdict.chance_of_more)}",
            Tone.CRITICAL,
        )
    else:
        yield Finding(
            "Value at risk is higher than it needs to be: losses exceed it less often than it "
            "says.",
            f"{seen}; so few or fewer have a chance of {_shown(verdict.chance_of_fewer)}",
        )
    if verdict.alone.rejects:
        yield _dependent(verdict)
    if verdict.worst.zone not in (None, Zone.GREEN, verdict.light.zone):
        yield Finding(
            f"The traffic light was {verdict.worst.zone} in between.",
            f"{verdict.worst.exceptions} exceptions in the {verdict.worst.days} days to "
            f"{verdict.worst_until}",
            _zone_tone(verdict.worst),
        )
    partly = [one for one in observed.observations if one.covered_ratio < 1]
    if partly:
        least = min(one.covered_ratio for one in partly)
        yield Finding(
            "Some forecasts spoke of a part of the book only, and profits are those of all of it.",
            f"{len(partly)} days; the least share covered was {percent(least)}",
        )


def _dependent(verdict: Verdict) -> Finding:
    seen, p_value = verdict.seen, _shown(verdict.alone.p_value)
    after_hit, after_calm = seen.hit_hit + seen.hit_calm, seen.calm_hit + seen.calm_calm
    counted = (
        f"{seen.hit_hit} of {after_hit} exceptions were followed by another, {seen.calm_hit} of "
        f"{after_calm} other days by one; p {p_value}"
    )
    if seen.hit_hit * after_calm > seen.calm_hit * after_hit:
        text = "Exceptions come in clusters: forecasts follow the market too slowly."
    else:
        text = "Exceptions keep a distance from each other that chance does not."
    return Finding(text, counted)


def _chart(observed: Observed) -> TimeChart:
    observations = observed.observations
    return TimeChart(
        f"Profit of each day against minus its value at risk, {observed.currency}",
        (
            Series("profit", tuple(Point(_at(one.day), one.profit) for one in observations)),
            Series(
                "minus value at risk",
                tuple(Point(_at(one.day), -one.value_at_risk) for one in observations),
            ),
            Series(
                "exception",
                tuple(Point(_at(one.day), one.profit) for one in observations if one.is_exception),
                dots=True,
                tone=Tone.CRITICAL,
            ),
        ),
        unit=Unit.NUMBER,
    )


def _exceptions(exceptions: tuple[Observation, ...], currency: str) -> Table:
    return Table.of(
        "Exceptions",
        ("day", f"loss, {currency}", f"value at risk, {currency}", "times", "forecast of"),
        [
            (
                f"{one.day}",
                f"{-one.profit:,.2f}",
                f"{one.value_at_risk:,.2f}",
                f"{-one.profit / one.value_at_risk:.2f}" if one.value_at_risk > 0 else "∞",
                f"{one.forecast_on}",
            )
            for one in exceptions
        ],
        numeric=(1, 2, 3),
        empty="No day lost more than was forecast for it.",
    )


def _tests(verdict: Verdict) -> Table:
    rows = (
        ("Kupiec 1995", "as many exceptions as there should be", "1", verdict.coverage),
        ("Christoffersen 1998", "none makes the next more likely", "1", verdict.alone),
        ("Christoffersen 1998", "both at once", "2", verdict.both),
    )
    return Table.of(
        "Likelihood ratios",
        ("test", "what it asks", "statistic", "degrees", "p-value", f"at {percent(SIGNIFICANCE)}"),
        [
            (name, asks, *_row(found, degrees, is_rough=verdict.is_rough))
            for name, asks, degrees, found in rows
        ],
        numeric=(2, 3, 4),
    )


def _row(
    found: LikelihoodRatio, degrees: str, *, is_rough: bool
) -> tuple[str, str, str, str | Mark]:
    if found.statistic is None:
        return _NONE, degrees, _NONE, found.why_not
    return (
        f"{found.statistic:.3f}",
        degrees,
        _shown(found.p_value),
        Mark(
            f"{'refuted' if found.rejects else 'not refuted'}{', roughly' if is_rough else ''}",
            Tone.CRITICAL if found.rejects else Tone.GOOD,
        ),
    )


def _rough(verdict: Verdict) -> Iterator[Block]:
    if verdict.is_rough:
        yield Paragraph(
            f"Only {verdict.expected:.4g} exceptions are to be expected, so these p-values are "
            "rough. Exact: so many or more have a chance of "
            f"{_shown(verdict.chance_of_more)}, so many or fewer of "
            f"{_shown(verdict.chance_of_fewer)}.",
            Tone.WARNING,
        )


def _light(verdict: Verdict) -> Table:
    def row(name: str, light: TrafficLight) -> tuple[str, ...]:
        return (
            name,
            f"{light.days}",
            f"{light.exceptions}",
            str(light.zone or _NONE),
            f"0 to {light.yellow_from - 1}" if light.yellow_from else "none",
            f"{light.yellow_from} to {light.red_from - 1}",
            f"from {light.red_from}",
            "not defined" if light.plus_factor is None else f"{light.plus_factor:.2f}",
        )

    rows = [row("latest", verdict.light)]
    if verdict.days > verdict.light.days:
        rows.append(row(f"worst, to {verdict.worst_until}", verdict.worst))
    return Table.of(
        "Traffic light",
        ("days", "number", "exceptions", "zone", "green", "yellow", "red", "plus factor"),
        rows,
        numeric=(1, 2),
    )


def _left_out(observed: Observed) -> Iterator[Block]:
    if observed.left_out:
        yield Table.of(
            "Days that are not judged",
            ("days", "why"),
            [(f"{count}", why.value) for why, count in sorted(observed.left_out.items())],
            numeric=(0,),
        )


def _method(observed: Observed) -> Section:
    said = list(_METHOD)
    if any(days > 1 for days in observed.horizons):
        horizons = ", ".join(str(days) for days in observed.horizons)
        said.append(
            f"Value at risk was exported over {horizons} days, by the square root of time; it is "
            "judged over one, without that factor."
        )
    return Section("How it is judged", tuple(Paragraph(text) for text in said))


def _p(label: str, found: LikelihoodRatio) -> Figure:
    if found.p_value is None:
        return Figure(label, _NONE, found.why_not)
    return Figure(
        label, f"p {_shown(found.p_value)}", f"statistic {found.statistic:.3f}", _tone(found)
    )


def _tone(found: LikelihoodRatio) -> Tone:
    match found.rejects:
        case None:
            return Tone.PLAIN
        case True:
            return Tone.CRITICAL
        case False:
            return Tone.GOOD


def _coverage_tone(verdict: Verdict) -> Tone:
    """Too few exceptions cost capital, and nobody's money is at risk unseen."""
    match verdict.is_refuted:
        case None:
            return Tone.PLAIN
        case True:
            too_many = len(verdict.exceptions) > verdict.expected
            return Tone.CRITICAL if too_many else Tone.WARNING
        case False:
            return Tone.GOOD


def _zone_tone(light: TrafficLight) -> Tone:
    return Tone.PLAIN if light.zone is None else _TONES[light.zone]


def _shown(p_value: float | None) -> str:
    if p_value is None:
        return _NONE
    return f"{p_value:.4f}" if p_value >= 0.0001 else f"{p_value:.1e}"


def _at(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
