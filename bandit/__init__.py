"""The mathematics: posteriors, policies, deciding and simulated worlds. No Redis, HTTP or pydantic."""
