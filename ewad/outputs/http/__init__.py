"""The HTTP server: who may read what, and the page."""
