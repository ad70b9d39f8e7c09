"""One module per family of commands; each has ``register(app)``, and ``artwork.app`` imports it when it is asked for."""
