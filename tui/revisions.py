"""What differs between two configurations, and how a former one comes back; the verbs share it.

Imports the standard library alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

HIDDEN: Final = "[hidden]"
"""What the journal keeps of a secret."""


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Give the keys that differ with their new values, None for those that go: a PATCH's body."""
    found = {key: value for key, value in after.items() if before.get(key) != value}
    return found | dict.fromkeys(key for key in before if key not in after)


def restored(
    now: Mapping[str, Any], revision: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Give a former configuration with the secrets of the present one, and what cannot come back.

    A value that holds a secret is kept as it is now; where it differed in more than its secret, its key is
    among those that cannot come back.
    """
    found, lost = dict(revision), []
    for key, value in revision.items():
        if value is None or HIDDEN not in str(value):
            continue
        pattern = ".*".join(map(re.escape, str(value).split(HIDDEN)))
        if key not in now or not re.fullmatch(pattern, str(now[key]), re.DOTALL):
            lost.append(key)
        if key in now:
            found[key] = now[key]
        else:
            del found[key]
    return found, lost
