"""What payloads say: a format turns bytes into values."""
