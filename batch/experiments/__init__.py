"""Experiments as files: registered plans, assignment, what users did per variant, readings, and decisions on record.

The statistics are those of ``bandit.experiments``.
"""
