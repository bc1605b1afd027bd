"""The folders of a topic: `topics.dir` and `logs.dir` with `${topic}` and the groups of a regex put in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from appliance.connectors.storage import config as keys
from appliance.data.regex import JavaPattern
from appliance.errors import ConfigError

_GROUP: Final = re.compile(r"\$\{(\d+)\}")


def topic_groups(regex: str | None) -> Callable[[str], re.Match[str]] | None:
    """Give the function from a topic to its match, None without a regex. Raises ConfigError, as it does."""
    if not regex:
        return None
    pattern = JavaPattern.option(keys.CAPTURE_REGEX, regex)

    def match(topic: str) -> re.Match[str]:
        found = pattern.fullmatch(topic)
        if found is None:
            raise ConfigError(f"Topic {topic} does not fully match the specified regex.")
        return found

    return match


def group_count(regex: str | None) -> int:
    """Give the number of the last group that folders may name, -1 without a regex. Raises ConfigError."""
    return JavaPattern.option(keys.CAPTURE_REGEX, regex).groups if regex else -1


def missing_group(configured: str, regex: str | None) -> str | None:
    """Give the first `${n}` in a folder that nothing gives a value to. Raises ConfigError."""
    last = group_count(regex)
    return next((m.group() for m in _GROUP.finditer(configured) if int(m[1]) > last), None)


def topic_folder(configured: str, topic: str, match: re.Match[str] | None) -> str:
    """Give the folder of a topic."""
    folder = configured.replace("${topic}", topic)
    if match is None:
        return folder
    return _GROUP.sub(lambda reference: match[int(reference[1])] or "", folder)
