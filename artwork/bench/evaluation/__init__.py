"""``artwork bench evaluation``: how long comparing policies takes, and how often its intervals hold the truth."""
