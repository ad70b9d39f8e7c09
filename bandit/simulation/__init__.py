"""Worlds with known truth, to measure regret against; simulated, never evidence about people."""
