"""ingest-appliance: Kafka Connect's REST API, semantics and connectors as a single-host Python daemon."""

__version__ = "0.1.0"
