"""Connect's three internal topics: configs, offsets, statuses."""
