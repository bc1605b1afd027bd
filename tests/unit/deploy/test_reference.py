"""The reference of every option is what the definitions say."""

from __future__ import annotations

from deploy.reference import PAGE, page


def test_reference_is_current():
    """Whoever changes an option runs `make docs` in the same change."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs` and commit the page"


def test_option_of_each_kind_is_in_the_reference():
    """Worker, connectors, converters, transforms and predicates all have their place."""
    options = (
        "appliance.workers",
        "offset.storage.file.filename",
        "topic.creation.groups",
        "snapshot.mode",
        "flush.size",
        "table.whitelist",
        "schemas.enable",
        "replacement",
        "pattern",
    )
    text = page()
    assert [option for option in options if f"| `{option}` |" not in text] == []
