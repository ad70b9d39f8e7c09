"""Intervals of estimates: bootstrap, normal, for any sample size, at all times, and for logs that learned."""
