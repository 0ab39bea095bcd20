"""The figures that are drawn from a run, a file a figure. Each takes arrays and tables and
returns a matplotlib `Figure`, without pyplot and global state: the same input, the same picture.
What several of them share is in `drawing`.
"""
