"""What happened in an incident, step by step, from the audit chain and Prometheus alone."""
