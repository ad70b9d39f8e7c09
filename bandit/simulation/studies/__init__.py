"""Studies that repeat one question over thousands of simulated logs or runs."""
