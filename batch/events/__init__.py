"""What came back from clients: read from the store's streams into segments on disk, and joined from them."""
