"""How samples come in: over MQTT, in the formats of payloads, and from files."""
