"""Acknowledging by buttons under messages: what they ask for, and what becomes of a press."""
