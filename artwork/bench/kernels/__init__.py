"""The bandit library timed: checked first, then in pairs beside other libraries."""
