"""What follows from the figures: named rules, each of which says which figure led to it.

A rule that finds nothing says nothing, and where no rule finds anything there is no advice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from risk_policy.quantities import duration
from risk_policy.vocabulary import Severity
from risk_receivers.document.model import Finding, Findings, Section, Tone
from risk_receivers.periodic import figures
from risk_receivers.periodic.amounts import amount, share, span
from risk_receivers.periodic.subject import Subject

Rule = Callable[[Subject], Finding | None]

#: An alert that makes up so much of all, and fires so often, hides the others.
_FREQUENT_SHARE: Final = 0.2
_FREQUENT_COUNT: Final = 10
#: So many times as many as in the period before, and so many at least, is more than chance.
_GROWTH: Final = 2.0
_GROWTH_COUNT: Final = 10
_OPEN_SECONDS: Final = 86_400.0


def advice(subject: Subject) -> tuple[Section, ...]:
    """What has to be done, and what is worth a thought; both may be nothing."""
    return (
        _section("Action items", ACTIONS, subject, "Nothing waits for anybody."),
        _section("Recommendations", RECOMMENDATIONS, subject, "The figures suggest nothing."),
    )


def _section(title: str, rules: dict[str, Rule], subject: Subject, empty: str) -> Section:
    found = []
    for name, rule in rules.items():
        if (finding := rule(subject)) is not None:
            because = f"{finding.because}; rule: {name}"
            found.append(Finding(finding.text, because, finding.tone))
    return Section(title, (Findings(tuple(found), empty),))


def _untrustworthy(subject: Subject) -> Finding | None:
    if subject.is_trustworthy:
        return None
    return Finding(
        "Keep a copy of the audit database as it is and find out who changed it: riskwarden audit "
        "verify names every problem.",
        f"{amount(subject.verification.problem_count, 'problem')} in the chain, "
        f"{amount(subject.damaged, 'record')} left out",
        Tone.CRITICAL,
    )


def _killed(subject: Subject) -> Finding | None:
    held = [one for one in subject.told.kills if one.cleared_at is None]
    if not held:
        return None
    longest = figures.lasted(min(one.at for one in held), None, subject.period.end)
    return Finding(
        "The kill switch is in force: look at what tripped it, and clear it with riskwarden clear.",
        f"{len(held)} in force, for {duration(round(longest))} at most",
        Tone.EMERGENCY,
    )


def _latched(subject: Subject) -> Finding | None:
    held = [one for one in subject.told.restrictions if one.latched and one.lifted_at is None]
    if not held:
        return None
    return Finding(
        "Trading stays halted until somebody resumes it: riskwarden restrictions, then riskwarden "
        "resume.",
        f"{len(held)} latched: {', '.join(one.id for one in held[:5])}",
        Tone.CRITICAL,
    )


def _unanswered(subject: Subject) -> Finding | None:
    end = subject.period.end
    waiting = [
        one
        for one in subject.told.alerts
        if one.is_open_at(end)
        and not one.acks_in_force
        and one.worst.rank >= Severity.CRITICAL.rank
    ]
    if not waiting:
        return None
    names = ", ".join(dict.fromkeys(one.name for one in waiting))
    return Finding(
        f"Critical alerts fire, and nobody has acknowledged them or still does: {names}.",
        f"{len(waiting)} open at the end of the period",
        Tone.CRITICAL,
    )


def _lost_messages(subject: Subject) -> Finding | None:
    lost = [
        one
        for one in subject.told.deliveries
        if one.at in subject.period and not one.is_delivered and not one.taken_over_by
    ]
    if not lost:
        return None
    channels = ", ".join(dict.fromkeys(one.channel for one in lost))
    return Finding(
        f"Messages through {channels} were given up: see riskwarden channels dead-letters, and "
        "send again or dismiss what is left of them.",
        f"{len(lost)} given up and taken over by nobody",
    )


def _long_open(subject: Subject) -> Finding | None:
    end = subject.period.end
    old = [
        one
        for one in subject.told.alerts
        if one.is_open_at(end)
        and one.severity.rank >= Severity.WARNING.rank
        and figures.lasted(one.at, None, end) > _OPEN_SECONDS
    ]
    if not old:
        return None
    names = ", ".join(dict.fromkeys(one.name for one in old))
    return Finding(
        f"Alerts have fired for more than a day: {names}. End what causes them, or change the "
        "limit if that is how things are meant to be.",
        f"{len(old)} open for more than {span(_OPEN_SECONDS)}",
    )


def _broad_silences(subject: Subject) -> Finding | None:
    found = subject.told.counts(subject.period)["SILENCE_TOO_BROAD"]
    if not found:
        return None
    return Finding(
        "Silences muted more than an acknowledgement may; make them narrower.",
        f"{amount(found, 'silence')} on record as too broad",
    )


def _missed(subject: Subject) -> Finding | None:
    missed = [one for one in subject.levels if one.is_met is False]
    if not missed:
        return None
    told = ", ".join(f"{one.name} {share(one.reached or 0.0)}" for one in missed)
    return Finding(
        "Objectives were missed; see the service levels for which cases.",
        f"{told}; wanted {', '.join(one.objective for one in missed)}",
    )


def _frequent(subject: Subject) -> Finding | None:
    counts = figures.by_name(subject.told, subject.period)
    total = sum(counts.values())
    if not total:
        return None
    (name, about), count = counts.most_common(1)[0]
    if count < _FREQUENT_COUNT or count < _FREQUENT_SHARE * total:
        return None
    return Finding(
        f"{name} ({about}) fires again and again: look whether its threshold fits, with riskwarden "
        "backtest, or at what causes it.",
        f"{count} of {amount(total, 'alert')}",
        Tone.PLAIN,
    )


def _grown(subject: Subject) -> Finding | None:
    now, before = subject.totals.alerts, subject.totals_before.alerts
    if not subject.knows_before or now < _GROWTH_COUNT or not before or now < _GROWTH * before:
        return None
    return Finding(
        "There were far more alerts than in the period before; find out what has changed.",
        f"{now} after {before}",
        Tone.PLAIN,
    )


def _silent(subject: Subject) -> Finding | None:
    silent = figures.silent_seconds(subject.told, subject.period)
    if not silent:
        return None
    told = ", ".join(f"{feed} for {duration(round(s))}" for feed, s in silent.items())
    return Finding(
        "Feeds were silent: for that time nobody watched the limits, or nobody was told in the "
        "usual way. Look why Prometheus or Alertmanager was down.",
        told,
    )


def _taken_over(subject: Subject) -> Finding | None:
    over = [
        one for one in subject.told.deliveries if one.at in subject.period and one.taken_over_by
    ]
    if not over:
        return None
    channels = ", ".join(dict.fromkeys(one.channel for one in over))
    return Finding(
        f"Another channel had to take over from {channels}; mend it before that one fails, too.",
        f"{amount(len(over), 'message')} taken over",
        Tone.PLAIN,
    )


def _refused(subject: Subject) -> Finding | None:
    count = subject.totals.refused_access
    if not count:
        return None
    return Finding(
        "Somebody asked for what they may not: look at the refused attempts on record.",
        f"{amount(count, 'refusal')} on record",
        Tone.PLAIN,
    )


def _undrilled(subject: Subject) -> Finding | None:
    if subject.period.seconds < 7 * 86_400:
        return None
    drills = [one for one in subject.told.drills if one.at in subject.period]
    if not drills:
        return Finding(
            "Nothing was rehearsed: riskwarden drill lists what can be.",
            "0 drills on record",
            Tone.PLAIN,
        )
    failed = [one for one in drills if one.result != "PASS"]
    if not failed:
        return None
    names = ", ".join(dict.fromkeys(one.scenario for one in failed))
    return Finding(
        f"Drills did not pass: {names}. Mend what they showed, and run them again.",
        f"{len(failed)} of {amount(len(drills), 'drill')}",
    )


#: Name -> what has to be done, by what it finds.
ACTIONS: Final[dict[str, Rule]] = {
    "chain is not what was written": _untrustworthy,
    "kill switch in force": _killed,
    "trading halted until resumed": _latched,
    "critical and unanswered": _unanswered,
    "messages given up": _lost_messages,
    "open for long": _long_open,
    "silence too broad": _broad_silences,
}
#: Name -> what is worth a thought, by what it finds.
RECOMMENDATIONS: Final[dict[str, Rule]] = {
    "objective missed": _missed,
    "frequent alert": _frequent,
    "more than before": _grown,
    "feed silent": _silent,
    "taken over": _taken_over,
    "access refused": _refused,
    "drills": _undrilled,
}
