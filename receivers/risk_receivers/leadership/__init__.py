"""Several receivers on one PostgreSQL store: one leads, the others stand by and take over."""
