"""The worker's side: what the server of a script is made of."""
