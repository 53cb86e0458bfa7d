"""The databases a store may be kept in, behind one small face.

What records and what reads knows a ``Connection`` and a ``Place``, and nothing of what stands
behind them. That is possible because it asks for little:

- **SQL in one dialect.** Statements are written so that SQLite and PostgreSQL both understand
  them: ``CASE`` and no ``iif``, ``ON CONFLICT (columns)`` and no ``OR REPLACE``, ``RETURNING`` and
  no last row id, a comparison where a truth is meant, an alias for every subquery, an order
  wherever one matters. What is spelt differently in both (placeholders, the types of columns,
  tables without row ids) is SQLite's spelling in the code and translated once, in ``dialect``.
- **Plain values.** Text, whole numbers, bytes, null; times are text that sorts. No column relies
  on what a database makes of a value of another type.
- **One error to catch.** ``DATABASE_ERRORS`` is whatever any of them raises.
- **One writer's protocol**, in ``risk_receivers.store``: who holds the turn, what a commit is, and
  when it lasts.

The audit chain is read through ``risk_receivers.audit.tables`` alone, because one backend keeps it
in files.
"""
