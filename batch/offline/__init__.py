"""Comparing policies on a log, and what those that were live side by side came to."""
