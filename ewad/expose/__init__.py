"""How results go out: Prometheus text, HTTP and the page."""
