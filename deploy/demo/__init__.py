"""The quickstart: real servers, a shop that works, the daemon, five connectors and a live view.

`commands` is what a person calls; `keeper` is the process in the background that owns everything.
"""
