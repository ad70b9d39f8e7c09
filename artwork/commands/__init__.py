"""One module a family of commands; each has ``register(app)``."""

import typer

from artwork.commands import data, demo, generations, jobs, loadtest, serve, store


def register_all(app: typer.Typer) -> None:
    """Put every family of commands on the application."""
    for family in (demo, data, jobs, serve, store, generations, loadtest):
        family.register(app)
