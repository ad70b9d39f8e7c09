"""URLs with a password in all the places where people write one, for every door that shows URLs."""

SECRET = "hunter2"  # noqa: S105 - a word to look for

SHOWN = {
    "redis://host:6379": "redis://host:6379",
    f"redis://me:{SECRET}@host:6379": "redis://me:***@host:6379",
    f"rediss://:{SECRET}@host": "rediss://:***@host",
    f"redis://{SECRET}@host": "redis://***@host",
    f"redis://me:se:{SECRET}@x@host": "redis://me:***@host",
    f"REDIS://me:{SECRET}@[::1]:6379": "REDIS://me:***@[::1]:6379",
    f"http://me:{SECRET}@host": "http://me:***@host",
    f"  http://me:{SECRET}@host\n": "http://me:***@host",
    f"http://me:%{SECRET}@host": "http://me:***@host",
    f"redis://me:se/{SECRET}@host": "redis://...",
    f"redis://me:se?{SECRET}@host": "redis://...",
    f"redis://me:se#{SECRET}@host": "redis://...",
    f"redis://me:se {SECRET}@host": "redis://...",
    f"redis://me:{SECRET}@[::1": "redis://...",
    f"redis://me:{SECRET}": "redis://...",
    f"http://host/{SECRET}": "http://...",
    f"http://host/x@{SECRET}": "http://...",
    f"redis+sentinel://:{SECRET}@one:1,two:2/mymaster": "redis+sentinel://...",
    f"me:{SECRET}@host": "text without a scheme",
    f"me:{SECRET}://host": "text without a scheme",
    f"{SECRET}": "text without a scheme",
    "": "text without a scheme",
}
"""What is shown of each; of what cannot be taken apart only the scheme."""

SAID = {
    f"cannot open http://me:{SECRET}@x@host:80/readyz": "cannot open http://***@host:80/readyz",
    f"not 'redis://:{SECRET}@h' or": "not 'redis://:***@h' or",
    "not 'redis://:unknown@h' or": "not 'redis://***@h' or",
    "the store at redis://me:***@127.0.0.1:1/0 failed": "the store at redis://me:***@127.0.0.1:1/0 failed",
    "header Authorization: Bearer unknown==": "header Authorization: Bearer ***",
    f"AUTH me {SECRET} is unknown": "AUTH me *** is unknown",
}
"""What others say, and what is told of it where ``SECRET`` is known to be one."""
