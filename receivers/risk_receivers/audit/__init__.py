"""The audit chain: what is recorded, how it is linked, and how anyone can check it.

Everything here but the reading of the database is pure. Writing belongs to
:mod:`risk_receivers.store`, whose one writer thread is the only way in.
"""
