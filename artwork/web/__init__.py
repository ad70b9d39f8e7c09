"""The page that shows a workspace and its service: a small controller on loopback, and the files that it serves."""
