"""The worker's process: launched, watched and stopped by the host (process.py and its platforms), tied to it (lifeline.py)."""
