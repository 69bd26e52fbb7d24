"""The engine in Python: estimators that learn sample by sample or from whole series, without a daemon."""
