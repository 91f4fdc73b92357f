"""The worker's process: how the host launches, watches and stops it (process.py and its platforms), and why
it cannot outlive the host (lifeline.py).
"""
