"""What a number of users costs: store, job, look-ups and network, from figures that were measured on a machine."""
