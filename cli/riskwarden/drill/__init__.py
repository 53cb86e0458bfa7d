"""Rehearsals: scenarios run against a stack, with evidence, on record."""
