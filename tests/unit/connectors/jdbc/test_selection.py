"""Which tables are copied and by which task."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.connectors.jdbc.database import TableId
from appliance.connectors.jdbc.selection import (
    Selection,
    mapped_columns,
    quoted_fqn,
    split_fqns,
    split_mapping,
    spread,
)
from appliance.errors import ConfigError, ConnectError

TABLES = [TableId("shop", name) for name in ("a", "b", "c")]


@pytest.mark.parametrize("name", ["b", "shop.b", "`shop`.`b`"])
def test_table_is_chosen_when_named_in_any_form(name: str) -> None:
    """Bare, full and quoted full names all mean the table."""
    assert Selection(whitelist=(name,)).choose(TABLES, "`") == [TABLES[1]]


def test_seeds_table_option_stands_for_the_whitelist_when_nothing_else_names_tables() -> None:
    """`table` works, as users write it."""
    parsed = {
        "table.whitelist": [],
        "table": "c",
        "table.blacklist": [],
        "table.include.list": [],
        "table.exclude.list": [],
    }
    assert Selection.of(parsed).choose(TABLES, "`") == [TABLES[2]]


def test_connector_fails_when_two_tables_share_a_bare_name() -> None:
    """Two tables would write to one topic."""
    with pytest.raises(ConnectError, match="duplicate"):
        Selection().choose([TableId("x", "a"), TableId("y", "a")], "`")


def test_later_groups_are_smaller_when_tables_do_not_divide_evenly() -> None:
    """Seven tables over three tasks are 3, 2 and 2."""
    tables = [TableId(None, str(i)) for i in range(7)]
    assert [len(group) for group in spread(tables, 3)] == [3, 2, 2]


@given(
    st.lists(st.tuples(st.one_of(st.none(), st.text(min_size=1)), st.text(min_size=1)), min_size=1)
)
def test_names_survive_when_tables_travel_in_a_task_configuration(
    names: list[tuple[str | None, str]],
) -> None:
    """Whatever a table is called, its task finds it again."""
    tables = [TableId(container, name) for container, name in names]
    assert split_fqns(",".join(quoted_fqn(table, "`") for table in tables), "`") == tables


def test_columns_are_found_when_mapped_by_regex() -> None:
    """Each table must match exactly one entry."""
    entries = split_mapping("shop[.]a:[t1|t2],shop[.]b:[t3]")
    assert mapped_columns(entries, TABLES[0], "timestamp.columns.mapping") == ["t1", "t2"]
    with pytest.raises(ConfigError, match="does not match any"):
        mapped_columns(entries, TABLES[2], "timestamp.columns.mapping")
