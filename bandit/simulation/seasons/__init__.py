"""Simulated seasons of a contender: visits, picks and responses day by day, and tables of many seeds."""
