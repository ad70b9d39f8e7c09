"""Counts and how they are shown, and what is degraded."""
