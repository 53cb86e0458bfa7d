"""What is told by itself, and what waits for a digest.

Only messages wait: what came in is on record and has had its effect whatever becomes of them.
Nothing that waits is lost; it is in the database until a digest has named it.
"""
