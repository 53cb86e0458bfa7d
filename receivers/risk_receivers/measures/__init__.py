"""What Prometheus knows of the limits, for people who look."""
