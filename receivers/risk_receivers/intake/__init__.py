"""Both feeds, from bytes on the wire to typed alerts. Pure."""
