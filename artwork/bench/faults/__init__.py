"""What the look-up service does while its store is broken for real."""
