"""What people type, one file a command, in folders: read, call, write, say. No computing."""
