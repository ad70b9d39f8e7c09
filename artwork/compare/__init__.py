"""Comparisons in worlds with known truth."""
