"""Plans of experiments: what is registered, how a file is read and checked, and how one is drafted."""
