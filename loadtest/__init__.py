"""The load test: locust scenarios against a running service, and a verdict against budgets. Talks HTTP only."""
