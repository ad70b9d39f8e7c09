"""``artwork experiment``: plans, readings and designs, gathered in ``family``."""
