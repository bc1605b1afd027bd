"""`connection-test`: whether the daemon reaches what connector files name."""

from __future__ import annotations

import argparse
from typing import Any

from appliance.client import Client
from appliance.doctor.findings import Finding, Level, text_lines
from appliance.verbs.address import address_options
from appliance.verbs.change import configs_of
from appliance.verbs.output import Row, output_option, print_rows


def add_to(commands: Any) -> None:
    """Add the verb."""
    test = commands.add_parser(
        "connection-test",
        parents=[address_options()],
        help="have the daemon try what connector files name; 1 when something is wrong",
    )
    test.add_argument("file", nargs="+", help="as for apply")
    output_option(test)
    test.set_defaults(act=_test)


def _test(client: Client, options: argparse.Namespace) -> int:
    rows: list[Row] = []
    for place in options.file:
        for name, config in configs_of(place):
            body = {**config, "name": name}
            rows += client.post("appliance", "v1", "connection-test", body=body)
    findings = [Finding(**{**row, "level": Level(row["level"])}) for row in rows]
    if options.output == "table":
        print(*text_lines(findings), sep="\n")
    else:
        print_rows(rows, ("subject", "level", "option", "text", "remedy"), options.output)
    return 1 if any(finding.level is Level.PROBLEM for finding in findings) else 0
