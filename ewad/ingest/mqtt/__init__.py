"""Messages over MQTT: sessions, acknowledgements, and what has been taken already."""
