"""The one thread that decides: membership, assignment, requests."""
