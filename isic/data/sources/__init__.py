"""Layouts of data sets: each module makes an index and the true boxes of one."""
