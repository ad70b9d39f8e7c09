"""Publishing to a cluster and looking up in it, beside the least that a writer does and beside one store."""
