"""Kafka Connect's REST API and the console's own endpoints."""
