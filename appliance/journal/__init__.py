"""The journal: rebalance history, state transitions, configuration revisions and the audit trail."""
