"""Gated deployment: a new policy has a share of the users that widens as evidence allows, and ends by itself."""
