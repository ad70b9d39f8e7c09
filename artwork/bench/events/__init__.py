"""How fast events are taken over HTTP, brought from the streams into segments, and joined to rows."""
