"""Kills the product again and again under load, and proves that nothing was lost or doubled.

`tests/kill --count N` runs a campaign on real servers; tests/acceptance/test_kills.py a short one.

    site      the servers, the daemon and its connectors, driven through REST
    load      the changes committed to the database and the lines written to a file
    ledger    what was committed, in order: the truth that all else is held against
    kills     whom a kill hits, and how the victim comes back
    progress  when everything flows again after a kill
    evidence  what topics, offsets and files hold at the end
    checks    pure functions from ledger and evidence to violations
    campaign  the whole walk; verdict holds evidence against the ledger; report tells it
"""
