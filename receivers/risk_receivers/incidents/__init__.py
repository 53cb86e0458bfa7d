"""Incidents: from the first firing of an alert to its end."""
