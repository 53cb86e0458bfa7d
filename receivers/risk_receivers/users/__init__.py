"""People who log in with a name and a password: kept hashed, disabled at once, all on record."""
