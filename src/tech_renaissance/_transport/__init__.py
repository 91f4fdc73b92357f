"""How frames and tensor bytes move between a host and a worker: one contract
(transport.py), one folder per mechanism.
"""
