"""Logs, metrics, Prometheus text and systemd notification."""
