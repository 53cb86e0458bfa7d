"""What the runtime reports of its orders and positions."""
