"""Designs beside one experiment that splits users: pairs of experiments, and comparisons where nobody could randomise."""
