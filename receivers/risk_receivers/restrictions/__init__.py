"""What the actions of alerts hold at the gate, on record."""
