"""The built-in schema registry: Confluent's rules over a compacted topic."""
