"""Reports on a period: compliance, operations of a day, a week of business, service levels.

Invariant: what a report says it has read from the audit chain or measured by Prometheus, and what
it could not read or measure it calls so. A record that is not what was written is no fact; one
whose payload is gone by retention is counted, and nothing is guessed about it.
"""
