"""Results back to a broker."""
