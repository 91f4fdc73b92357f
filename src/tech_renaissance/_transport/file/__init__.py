"""The file transport: every frame and tensor is a file in the session directory.
Contract: spec/transport-file.md.
"""
