"""ingest-tui: the Textual console of ingest-appliance; it talks to the daemon over REST alone."""
