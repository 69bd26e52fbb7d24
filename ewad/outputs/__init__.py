"""How results go out: metrics, HTTP and files."""
