"""Where a file came from: its record, the digest of the code behind it, and what both say to a
person. Nothing that a result depends on may live here.
"""
