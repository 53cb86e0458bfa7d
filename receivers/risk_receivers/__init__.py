"""The receivers service: takes alerts in, records them, trips the kill switch, tells people."""
