"""The host's side of a session: a worker's life, its calls, and how both end or start again."""
