"""The tokens that people and programs are given: named, hashed, expiring, revocable."""
