"""The whole loop on one machine: simulated days of visits against the running service."""
