"""`ingest-appliance doctor`: what a worker and its connectors need, checked one by one, with the remedy."""
