"""What comparing comes to, as text and as a page."""
