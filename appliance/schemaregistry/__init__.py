"""Confluent-compatible schema registry: client and built-in server."""
