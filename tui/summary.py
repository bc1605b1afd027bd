"""A connector in few words: what its tasks amount to, its plugin, its topics, when it changed."""

from __future__ import annotations

from collections.abc import Sequence

from tui.model import Connector, Model
from tui.text import age, count


def short_plugin(name: str) -> str:
    """Give a plugin's class without package and the word Connector."""
    return name.rsplit(".", maxsplit=1)[-1].removesuffix("Connector")


def versioned(known: Connector) -> str:
    """Give a connector's plugin with its version: HdfsSink 1.2."""
    version = (known.version or "").removesuffix(".Final")
    return f"{short_plugin(known.plugin)} {version}".rstrip()


def short_topics(topics: Sequence[str]) -> str:
    """Give the first topic and how many more there are."""
    more = f" +{len(topics) - 1}" if len(topics) > 1 else ""
    return f"{topics[0][: 12 - len(more)]}{more}" if topics else ""


def changed(known: Connector, now_s: float) -> str:
    """Give how long ago a configuration changed, and by whom: 2d ana."""
    if known.changed is None:
        return "-"
    span = age(now_s - known.changed / 1000).partition(" ")[0]
    return f"{span} {known.changed_by or ''}".rstrip()


def last_error(model: Model, name: str) -> str | None:
    """Give the error of the connector, else that of its first failed task."""
    known = model.connectors[name]
    failed = (task.error for task in model.tasks_of(name) if task.error)
    return known.error or next(failed, None)


def lag_of(model: Model, name: str) -> tuple[float | None, str]:
    """Give how far behind a connector is: records in all, or the longest time; and as text, `?` where a
    task should know and does not.
    """
    tasks = model.tasks_of(name)
    if any(task.dark for task in tasks):
        return None, "?"
    tasks = [task for task in tasks if task.lag is not None]
    if not tasks:
        return None, "-"
    if tasks[0].unit == "ms":
        worst = max(task.lag or 0 for task in tasks)
        return worst, age(worst / 1000)
    total = sum(task.lag or 0 for task in tasks)
    return total, count(total)
