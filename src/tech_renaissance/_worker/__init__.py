"""The worker's side: the parts that a script's server is built from."""
