"""What everything else builds on: errors, names, dtypes and tensor
libraries, the post-mortem record. No I/O.
"""
