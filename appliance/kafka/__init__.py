"""The only place that imports a Kafka library or speaks Kafka's protocol."""
