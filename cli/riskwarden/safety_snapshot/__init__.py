"""The safety snapshot: read what stands between a decision and a live order, and say it.

Invariant: nothing is written but the output that was asked for, and nobody is asked anything but by
GET on this machine. What cannot be read is said to be unknown.
"""
