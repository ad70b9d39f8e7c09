"""The last stage of a generation: rows into the store, the flip, and sweeping what is served no more."""
