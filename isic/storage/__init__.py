"""Files, written whole or not at all: folders, CSV, JSON, HDF5, locks, and `layouts`, the one
list of what a run leaves. Nothing here knows what a file is for, or computes.
"""
