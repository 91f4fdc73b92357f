"""The host's side of a session: a worker's life, its calls, and how both are ended or begun again."""
