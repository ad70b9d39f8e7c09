"""Locust's users: pages and single artworks, checked as they come."""
