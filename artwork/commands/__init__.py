"""One module a family of commands; each has ``register(app)``, and ``artwork.app`` imports it when it is asked for."""
