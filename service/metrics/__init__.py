"""What is counted, how it is told, and what is not as it should be."""
