"""What somebody who can write the audit database may try, and what gives him away.

:mod:`.table` holds the cases; docs/tampering.md is made of it. Every attack is done as an attacker
would do it: with SQLite, hashes and JSON alone, and with everything recomputed that he can.
"""
