"""The command line and the demo: wires the rooms together; imported by none of them."""
