"""The page: its controller, its posters and its files."""
