"""The gate: published for the runtime, and open only while every sign of life is there."""
