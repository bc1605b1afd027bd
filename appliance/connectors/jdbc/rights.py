"""Whether the user may read the tables that the options choose, and the statements that let it.

MariaDB and MySQL do not list a table on which a user has no right; there, a configured name that is not
listed is asked for too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from appliance.connectors.jdbc import config as keys
from appliance.connectors.jdbc.database import Database, TableId
from appliance.connectors.jdbc.selection import Selection, parse_fqn, quoted_fqn
from appliance.connectors.jdbc.url import Target

_REFUSED_CODES: Final = (1142, 1143)
_REFUSED_STATE: Final = "42501"
_HIDING: Final = ("mysql", "mariadb")


def is_refused(error: BaseException) -> bool:
    """Whether a driver's error says that the user may not read a table."""
    original = getattr(error, "orig", None) or error
    code = original.args[0] if original.args else None
    return code in _REFUSED_CODES or getattr(original, "sqlstate", None) == _REFUSED_STATE


def lacking_rights(
    database: Database, target: Target, parsed: Mapping[str, Any]
) -> dict[TableId, str]:
    """Give the chosen tables that the user may not read, each with a sentence that says what to do.

    {} where no list of tables is configured. Raises what the driver raises when the server goes away.
    """
    selection = Selection.of(parsed)
    if target.product == "sqlite" or not (selection.whitelist or selection.include):
        return {}
    listed = database.tables(
        parsed[keys.TABLE_TYPES], parsed[keys.CATALOG_PATTERN], parsed[keys.SCHEMA_PATTERN]
    )
    chosen = [table for table in listed if selection.wants(table, database.quote)]
    if target.product in _HIDING:
        chosen += _unlisted(selection, chosen, database.quote, target.url.database)
    return {
        table: lacking_select(database, table)
        for table in chosen
        if not _readable(database, table)
    }


def lacking_select(database: Database, table: TableId) -> str:
    """Give the sentence that says which right lacks on a table, with the statement that grants it."""
    quote = database.quote
    name, account = quoted_fqn(table, quote), _account(database)
    grant = f"GRANT SELECT ON {name} TO {account}"
    if quote != "`" and table.container:
        schema = quoted_fqn(TableId(None, table.container), quote)
        grant = f"GRANT USAGE ON SCHEMA {schema} TO {account}; {grant}"
    return f"the user lacks SELECT on {table.fqn}; let an administrator run: {grant}"


def _unlisted(
    selection: Selection, chosen: list[TableId], quote: str, default: str | None
) -> Iterator[TableId]:
    """Give the configured names that no listed table has; a bare one is in the URL's database."""
    known = {text for t in chosen for text in (t.name, t.fqn, quoted_fqn(t, quote))}
    for text in selection.whitelist:
        if text in known:
            continue
        if text.startswith(quote):
            table = parse_fqn(text, quote)
        else:
            container, _, name = text.rpartition(".")
            table = TableId(container or None, name)
        if table.container or default:
            yield TableId(table.container or default, table.name)


def _readable(database: Database, table: TableId) -> bool:
    """Whether nothing says that the user may not read the table."""
    try:
        name = quoted_fqn(table, database.quote)
        rows = database.query(f"SELECT * FROM {name} WHERE 1 = 0", (), table, 1)  # noqa: S608 - quoted by quoted_fqn
        rows.fetch(1)
        rows.close()
        database.commit()
    except Exception as error:  # noqa: BLE001 - drivers share no base class
        database.close()
        return not is_refused(error)
    return True


def _account(database: Database) -> str:
    """Give the account as GRANT takes it."""
    rows = database.query("SELECT CURRENT_USER", (), None, 1)
    name = str(rows.fetch(1)[0][0])
    rows.close()
    database.commit()
    if database.quote != "`":
        return quoted_fqn(TableId(None, name), database.quote)
    user, _, host = name.rpartition("@")
    return f"'{user}'@'{host}'"
