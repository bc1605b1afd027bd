"""Keys: one table for bindings, key bar and help; ids make them remappable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    ("n", "find(1)", "next row with a problem; of filtered rows each", "Find"),
    ("N", "find(-1)", "the one before", "Find"),
    ("colon", "command", "command line", "Find"),
    ("ctrl+p", "palette", "palette: anything by some of its letters", "Find"),
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
    ("L", "view_key('level')", "set a logger's level", "Records"),
    ("w", "wide", "wide columns or not; in Topics, internal ones too", "Show"),
    ("plus", "zoom", "one pane over the whole screen, and back", "Show"),
    ("y", "raw", "raw JSON", "Show"),
    ("c", "copy", "copy the row or text", "Show"),
    ("C", "copy_command", "copy the last call as curl", "Show"),
    ("E", "export", "write the rows to a file that is asked for", "Show"),
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
    ("h, left right", "columns to the left, to the right"),
    ("Enter d", "open"),
    ("space * ctrl+\\", "mark, mark all, clear marks"),
    ("Tab", "next pane"),
)


# keys, action, name, of every table
GRID_KEYS: Final = (
    ("j,down", "move(1)", "row_down"),
    ("k,up", "move(-1)", "row_up"),
    ("ctrl+d", "page(0.5)", "half_page_down"),
    ("ctrl+u", "page(-0.5)", "half_page_up"),
    ("pagedown", "page(1)", "page_down"),
    ("pageup", "page(-1)", "page_up"),
    ("h,left", "columns(-1)", "columns_left"),
    ("right", "columns(1)", "columns_right"),
    ("g,home", "end(-1)", "first_row"),
    ("G,end", "end(1)", "last_row"),
    ("enter,d", "open", "open"),
    ("space", "mark", "mark"),
    ("asterisk", "mark_all", "mark_all"),
    ("ctrl+backslash", "clear_marks", "clear_marks"),
)


# the same of the table of dead letters, which come before those of every table
LETTER_KEYS: Final = (
    ("G", "app.view_key('group')", "group"),
    ("end", "end(1)", "last_letter"),
)


# the same of dialogs
DIALOG_KEYS: Final = (("escape,q", "leave", "leave"),)
TEXT_KEYS: Final = (
    ("j,down", "scroll(1)", "row_down"),
    ("k,up", "scroll(-1)", "row_up"),
    ("pagedown", "scroll(10)", "page_down"),
    ("pageup", "scroll(-10)", "page_up"),
    ("ctrl+d", "scroll(10)", "half_page_down"),
    ("ctrl+u", "scroll(-10)", "half_page_up"),
    ("g,home", "scroll(-100000)", "first_row"),
    ("G,end", "scroll(100000)", "last_row"),
    ("c", "copy", "copy"),
    ("enter", "leave", "close"),
)
CONFIRM_KEYS: Final = (("y", "yes", "yes"), ("n,enter", "leave", "no"))
ABANDON_KEYS: Final = (("escape", "yes", "abandon"), ("q", "leave", "stay"))
ASK_KEYS: Final = (("escape", "leave", "leave_line"),)
PICK_KEYS: Final = (
    *ASK_KEYS,
    ("down,ctrl+n", "move(1)", "pick_down"),
    ("up,ctrl+p", "move(-1)", "pick_up"),
    ("pagedown", "move(10)", "pick_page_down"),
    ("pageup", "move(-10)", "pick_page_up"),
)
EDITOR_KEYS: Final = (*ASK_KEYS, ("ctrl+s", "done", "done"))
FORM_KEYS: Final = (
    *DIALOG_KEYS,
    ("ctrl+s", "save", "save"),
    ("x,delete", "unset", "unset"),
    ("right_square_bracket", "group(1)", "next_group"),
    ("left_square_bracket", "group(-1)", "previous_group"),
    ("plus", "fold", "fold"),
    ("slash", "search", "search"),
    ("y", "raw", "raw"),
    ("C", "copy_command", "copy_command"),
    ("n", "next_error", "next_error"),
    ("t", "test", "test"),
    ("E", "editor", "editor"),
    ("question_mark", "help", "form_help"),
    *((str(number), f"go({number})", f"group_{number}") for number in range(1, 10)),
)
FORM_LINE_KEYS: Final = (("f1", "help", "line_help"),)
FIELD_KEYS: Final = (
    ("tab", "leave_for(1)", "next_field"),
    ("shift+tab", "leave_for(-1)", "previous_field"),
)
LINE_KEYS: Final = (("tab", "cursor_right", "complete"),)
_OTHERS: Final = (
    *GRID_KEYS,
    *LETTER_KEYS,
    *DIALOG_KEYS,
    *TEXT_KEYS,
    *CONFIRM_KEYS,
    *ABANDON_KEYS,
    *PICK_KEYS,
    *EDITOR_KEYS,
    *FORM_KEYS,
    *FORM_LINE_KEYS,
    *FIELD_KEYS,
    *LINE_KEYS,
)


def name_of(action: str) -> str:
    """Give the name by which the config file gives an action another key."""
    way, _, argument = action.rstrip(")").partition("(")
    if way == "view_key":
        return argument.strip("'")
    if argument:
        return ("next_" if argument == "1" else "previous_") + {"step": "tab", "find": "problem"}[
            way
        ]
    return way


NAMES: Final = {
    **{name_of(action): key for key, action, _, _ in GLOBAL if action is not None},
    **{f"view_{number}": str(number) for number in range(1, 10)},
    **{name: key for key, _, name in _OTHERS},
}
"""The name of each action to its usual key."""


def remapped(wanted: Mapping[str, str]) -> dict[str, str]:
    """Give the other keys by name of action. Raises ValueError for an unknown name or what is no key."""
    unknown = sorted(set(wanted) - NAMES.keys())
    if unknown:
        raise ValueError(f"unknown {', '.join(unknown)}; there are {', '.join(sorted(NAMES))}")
    for name, key in wanted.items():
        if not isinstance(key, str) or not key.strip():
            raise ValueError(f'{name} wants a key such as "p" or "ctrl+p", not {key!r}')
    return dict(wanted)


def shown(key: str, keymap: Mapping[str, str]) -> str:
    """Give what a person sees of a key, the other one where it was given another."""
    for name, usual in NAMES.items():
        parts = usual.split(",")
        if key == usual or key in parts or key in [SIGNS.get(part, part) for part in parts]:
            key = keymap.get(name, key)
            break
    return " ".join(SIGNS.get(part, part) for part in key.split(","))


SIGNS: Final = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "minus": "-",
    "plus": "+",
}


def named(table: Sequence[tuple[str, str, str]], *, priority: bool = False) -> list[Binding]:
    """Give the bindings of keys, actions and names; with `priority` what has the focus does not see them."""
    return [
        Binding(key, action, show=False, id=name, priority=priority) for key, action, name in table
    ]


def bindings() -> list[Binding]:
    """Give the app's bindings."""
    found = [
        Binding(key, action, show=False, id=name_of(action))
        for key, action, _, _ in GLOBAL
        if action is not None
    ]
    return found + [
        Binding(str(number), f"view({number})", show=False, id=f"view_{number}")
        for number in range(1, 10)
    ]
