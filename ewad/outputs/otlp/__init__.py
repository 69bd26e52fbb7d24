"""Results pushed by the OpenTelemetry protocol."""
