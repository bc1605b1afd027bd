"""`/appliance/v1`: what the console needs beside Kafka Connect's own resources."""
