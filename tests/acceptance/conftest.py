"""The longest test begins first, so that the others have their turn beside it."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: "test_nothing_is_lost_or_doubled_when_everything" not in item.name)
