"""The shared-memory transport: rings, arenas, leases. Contract: spec/transport-shm.md."""
