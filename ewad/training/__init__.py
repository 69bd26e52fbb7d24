"""Learning from files, several optimizers side by side."""
