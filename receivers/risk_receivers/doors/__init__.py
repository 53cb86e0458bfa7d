"""What the front answers by itself: everything that has to be recorded, and fast."""
