"""By which paths a package is judged when it is gone."""

from __future__ import annotations

from deploy.packaging.traces import telling


def test_ours_counts_everywhere_and_others_only_where_nobody_else_writes():
    """A log of ours that is left is found; the package manager's own files and the trial's are not."""
    counted = [
        "/etc/other.conf",
        "/var/log/ingest-appliance/log",
        "/var/lib/systemd/deb-systemd-helper-enabled/ingest-appliance.service.dsh-also",
        "/usr/lib/python3/x.pyc",
    ]
    passed = ["/var/log/syslog", "/var/lib/apt/lists/x", "/root/ingest-appliance-next.deb"]
    assert list(telling([*counted, *passed])) == counted
