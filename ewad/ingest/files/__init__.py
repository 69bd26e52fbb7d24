"""Files of samples, a reader for each kind."""
