"""Rebalance history, config revisions and audit trail, in one topic."""
