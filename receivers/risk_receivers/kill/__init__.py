"""The kill switch: its states, its record, and what keeps a trip that cannot be recorded."""
