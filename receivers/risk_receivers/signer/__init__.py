"""Who signs checkpoints of the audit chain: inside the service, or a process of its own.

A signer derives every root itself, from the tree it has signed last and the checksums it is given,
so it cannot sign a chain that does not go on from what it has signed: no fork, no rewind.
"""
