"""The durable store: one SQLite database, one writer thread, nothing answered before it lasts."""
