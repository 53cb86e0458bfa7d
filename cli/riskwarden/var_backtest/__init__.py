"""Was value at risk right? Recorded forecasts against what the following day cost."""
