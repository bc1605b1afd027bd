"""The picture of what flows, from the state that the keeper publishes."""

from __future__ import annotations

from typing import Any

from deploy.demo.connectors import TOPICS
from deploy.demo.settings import Settings


def render(settings: Settings, state: dict[str, Any], before: dict[str, Any] | None) -> str:
    """Give the view as text; `before` is the state one second earlier, for rates."""
    rows = state["rows"]
    earlier = (before or state).get("topics") or {}
    topics = state["topics"] or dict.fromkeys(TOPICS, 0)
    down = [name for name, running in state["servers"].items() if not running]
    lines = [
        "rows committed   "
        + "   ".join(f"{kind} {count}" for kind, count in rows.items())
        + f"   lines in {settings.events_file.name}: {state['lines']}",
        "",
        "records per topic",
        *(
            f"  {topic:24} {count:>8}   +{max(count - earlier.get(topic, count), 0)}/s"
            for topic, count in topics.items()
        ),
        "",
        "files written",
        f"  {'HDFS /topics':24} {state['files']['HDFS']:>8}",
        f"  {'local files/topics':24} {state['files']['local']:>8}",
        "",
        "connectors",
        *(
            f"  {name:24} {states[0]:>8}   tasks: {' '.join(states[1:]) or 'none yet'}"
            for name, states in state["connectors"].items()
        ),
    ]
    if not state["connectors"]:
        lines.append("  the daemon does not answer at the moment")
    if down:
        lines.append(f"ended, coming back: {', '.join(down)}")
    return "\n".join(lines)


def where_to_look(settings: Settings) -> str:
    """Give the lines that say where everything is."""
    url = settings.rest_url
    webhdfs = f"http://127.0.0.1:{settings.ports['hdfs-http']}/webhdfs/v1"
    return "\n".join(
        (
            "where to look",
            f"  console       {settings.venv / 'bin/ingest-tui'} --url {url}",
            f"  connectors    curl -s '{url}/connectors?expand=status'",
            f"  positions     curl -s {url}/connectors/shop-cdc/offsets",
            f"  metrics       curl -s {url}/metrics",
            f"  topics        {', '.join(TOPICS)} on {settings.bootstrap}",
            f"  HDFS          curl -s '{webhdfs}/topics?op=LISTSTATUS'",
            f"  local files   {settings.files / 'topics'}",
            f"  everything    {settings.folder} (log: {settings.keeper_log})",
        )
    )


def flows(state: dict[str, Any]) -> bool:
    """Whether every topic has records and every sink has files."""
    topics = state["topics"]
    return bool(topics) and all(topics.values()) and all(state["files"].values())
