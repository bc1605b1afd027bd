"""What include lists name, for the rights that they ask for."""

from __future__ import annotations

import pytest

from appliance.connectors.binlog.grants import Grants
from appliance.connectors.binlog.visibility import Scope, scopes


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({}, [Scope(None)]),
        ({"database.include.list": "a, b-c"}, [Scope("a"), Scope("b-c")]),
        ({"database.include.list": "a.*"}, [Scope(None)]),
        (
            {
                "table.include.list": r"a\.t,a.u,b[.]v,c\..*,d.*,e.(f|g)",
                "database.include.list": "a",
            },
            [
                Scope("a", "t"),
                Scope("a", "u"),
                Scope("b", "v"),
                Scope("c"),
                Scope("d"),
                Scope(None),
            ],
        ),
    ],
)
def test_scopes_are_plain_names_when_the_lists_give_them(config, found):
    """An expression stands for anything; tables say more than databases."""
    assert scopes(config) == found


@pytest.mark.parametrize(
    ("row", "read", "hidden"),
    [
        ("GRANT SELECT ON *.* TO `u`@`%`", [Scope("d", "t"), Scope(None)], []),
        ("GRANT SELECT ON `d`.`t` TO `u`@`%`", [Scope("d"), Scope("d", "t")], [Scope("d", "s")]),
        ("GRANT INSERT ON `d`.`t` TO `u`@`%`", [], [Scope("d"), Scope("d", "t"), Scope(None)]),
    ],
)
def test_scope_is_read_when_something_of_it_is_granted(row, read, hidden):
    """A right to one table is enough for its database, not for another table."""
    held = Grants.of([row])
    assert [scope.read_by(held) for scope in read] == [True] * len(read)
    assert [scope.read_by(held) for scope in hidden] == [False] * len(hidden)
