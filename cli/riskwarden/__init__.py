"""The `riskwarden` command, and the local stack it can start."""
