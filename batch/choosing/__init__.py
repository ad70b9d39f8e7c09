"""The second stage of a generation: weights, draws and picks, and explaining one of them."""
