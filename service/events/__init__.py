"""Events that clients send back: checked, and appended to a stream of the store before they are accepted."""
