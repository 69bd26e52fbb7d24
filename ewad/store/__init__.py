"""How state and models survive: files on disk."""
