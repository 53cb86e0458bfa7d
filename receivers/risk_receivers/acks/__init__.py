"""Acknowledgements: Alertmanager's silences as what people have taken on, and for how long."""
