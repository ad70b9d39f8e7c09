"""One module per family of commands; each has its ``app``, and ``artwork.app`` imports it when it is asked for."""
