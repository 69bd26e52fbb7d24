"""The state of all streams: batches of samples in, averages and forecasts out. No I/O and no clock."""
