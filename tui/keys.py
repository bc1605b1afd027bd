"""Keys: one table for bindings, key bar and help; ids make them remappable."""

from __future__ import annotations

import re
from typing import Final

from textual.binding import Binding

# key(s), action, words for help, group
GLOBAL: Final = (
    ("1,2,3,4,5,6,7,8,9", None, "go to a view", "Views"),
    ("minus", "last_view", "the view before", "Views"),
    ("escape", "up", "up one level; ends the filter", "Views"),
    ("q", "up_or_quit", "up one level, at the top quit", "Views"),
    ("right_square_bracket", "step(1)", "next tab or generation", "Views"),
    ("left_square_bracket", "step(-1)", "the one before", "Views"),
    ("slash", "filter", "filter rows as you type", "Find"),
    ("n", "find(1)", "next row that is not running", "Find"),
    ("N", "find(-1)", "the one before", "Find"),
    ("colon,ctrl+p", "command", "command line", "Find"),
    ("z", "problems", "problems only", "Find"),
    ("s", "sort", "sort by the next column", "Find"),
    ("S", "sort_reverse", "reverse the order", "Find"),
    ("p", "pause", "pause, or resume what is paused or stopped", "Act"),
    ("x", "stop", "stop: tasks go, offsets stay", "Act"),
    ("r", "restart", "restart: the task, or what failed of a connector", "Act"),
    ("a", "options", "all actions of this row", "Act"),
    ("e", "edit", "edit the configuration", "Act"),
    ("A", "add", "add a connector", "Act"),
    ("D", "delete", "delete: asks for the name", "Act"),
    ("u", "undo", "undo the last pause, resume or stop", "Act"),
    ("o", "offsets", "offsets of the connector", "Go"),
    ("t", "topics", "its topics", "Go"),
    ("l", "logs", "its log lines", "Go"),
    ("v", "view_key('as')", "view payloads as another form", "Records"),
    ("R", "view_key('edit_replay')", "edit a dead letter and replay it", "Records"),
    ("F", "view_key('same')", "letters with the same error; follow a topic", "Records"),
    ("P", "view_key('purge')", "purge a dead letter queue", "Records"),
    ("w", "view_key('wide')", "internal topics too", "Records"),
    ("L", "view_key('level')", "set a logger's level", "Records"),
    ("y", "raw", "raw JSON", "Show"),
    ("c", "copy", "copy the row or text", "Show"),
    ("C", "copy_command", "copy the last call as curl", "Show"),
    ("E", "export", "write the rows to a file", "Show"),
    ("f", "freeze", "freeze the picture, or follow again", "Show"),
    ("i", "explain", "explanations on or off", "Show"),
    ("T", "theme", "next theme", "Show"),
    ("ctrl+r", "resync", "connect again now", "Show"),
    ("question_mark,f1", "help", "this help", "Show"),
)
# words of the key bar that change something, and the role that each needs
NEEDS: Final = {
    **dict.fromkeys(("pause", "resume", "restart", "stop"), "operate"),
    **dict.fromkeys(("replay", "edit+replay", "discard", "set a level"), "operate"),
    **dict.fromkeys(("edit", "add", "new connector", "delete", "alter", "reset"), "administer"),
}
GRID: Final = (
    ("j k arrows", "move"),
    ("g G", "first, last row"),
    ("ctrl+d ctrl+u", "half a page"),
    ("Enter", "open"),
    ("space * ctrl+\\", "mark, mark all, clear marks"),
    ("Tab", "next pane"),
)


def bindings() -> list[Binding]:
    """Give the app's bindings."""
    found = [
        Binding(key, action, show=False, id=re.sub(r"\W+", "_", action).strip("_"))
        for key, action, _, _ in GLOBAL
        if action is not None
    ]
    return found + [
        Binding(str(number), f"view({number})", show=False, id=f"view_{number}")
        for number in range(1, 10)
    ]
