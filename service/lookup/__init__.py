"""Looking up: rows and catalogue from the store, and the fallback chain. Knows nothing of HTTP."""
