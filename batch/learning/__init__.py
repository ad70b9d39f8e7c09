"""The first stage of a generation: evidence a day, and posteriors made of it."""
