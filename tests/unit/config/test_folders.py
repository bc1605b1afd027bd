"""Folders of a daemon's own."""

from __future__ import annotations

import os

import pytest

from appliance.config.folders import keep_private
from appliance.errors import ConfigError
from tests.root import need_root

OPTION = "appliance.runtime.dir"


def test_folder_is_this_users_alone_when_it_has_to_be_made(tmp_path):
    """0700, and taken as it is the next time."""
    keep_private(tmp_path / "a" / "run", OPTION)
    assert (tmp_path / "a" / "run").stat().st_mode & 0o777 == 0o700
    keep_private(tmp_path / "a" / "run", OPTION)


def test_folder_is_refused_when_everybody_may_write_there(tmp_path):
    """The option to change is named."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o1777)
    with pytest.raises(ConfigError, match=f"everybody may write there; give {OPTION}"):
        keep_private(tmp_path / "run", OPTION)


def test_folder_is_refused_when_another_user_made_it(tmp_path):
    """A folder or link that somebody laid in the way."""
    need_root("it gives a folder to another user")
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 12345, -1)
    (tmp_path / "link").symlink_to(tmp_path)
    os.lchown(tmp_path / "link", 12345, -1)
    for name in ("theirs", "link"):
        with pytest.raises(ConfigError, match=f"{name}: it belongs to user 12345; give {OPTION}"):
            keep_private(tmp_path / name, OPTION)
