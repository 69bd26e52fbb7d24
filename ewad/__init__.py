"""ewad: smooths and forecasts MQTT streams online, and exposes the results as Prometheus metrics."""

__version__ = "0.1.0"
