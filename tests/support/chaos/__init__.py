"""Chaos: every part that can fail is made to fail, and what must hold is looked at meanwhile."""
