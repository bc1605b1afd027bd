"""ingest-appliance: Kafka Connect's REST API, semantics and connectors as one Python daemon."""

__version__ = "0.1.0"
