"""HTTP: routes, limits, problems and the protocol of a connection."""
