"""What a workspace says of its own health: what is watched every night, and what a day came to. It reads, and keeps sums."""
