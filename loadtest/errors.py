"""The exceptions of the load test; it stands alone, so it has its own.

LoadTestError
├── InputError   a flag, a setting or the targets file is wrong (exit 2)
└── RunError     the service does not answer, or locust did not finish (exit 3)
"""


class LoadTestError(Exception):
    """Root of the load test's errors."""


class InputError(LoadTestError):
    """What the caller handed in is wrong; nothing was started."""


class RunError(LoadTestError):
    """The surroundings failed; trying again may help."""
