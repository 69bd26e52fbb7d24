"""Results as files: rows, OpenMetrics, pictures and reports."""
