"""The local stack: real Prometheus and Alertmanager, the receivers and the paper runtime."""
