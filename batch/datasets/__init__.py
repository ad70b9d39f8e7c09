"""Data sets that a workspace can be made of: real ratings, synthetic users, and an example to copy from."""
