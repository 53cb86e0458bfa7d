"""Who behaves like an intruder, and for how long nobody listens to them."""
