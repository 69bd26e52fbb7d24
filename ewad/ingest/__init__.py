"""How samples come in: topics, payloads, MQTT and CSV."""
