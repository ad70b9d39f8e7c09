"""Reports as text and as pages that need no network."""
