"""The store: connecting to it, and the embedded Valkey of a workspace. Imports no polars."""
