"""Pictures of the views in the states that matter, at both sizes."""

from __future__ import annotations

import pytest

from tests.tui.still import open_view, settled, still
from tui.palette import DARK, LIGHT, MONO

SIZES = pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])


@SIZES
@pytest.mark.parametrize("case", ["failed", "empty", "many", "mono"])
def test_overview_looks_as_recorded_when_drawn(snap_compare, case, size):
    """The first view with failed tasks, nothing, 5,000 tasks, and without colour."""
    palette = MONO if case == "mono" else DARK
    shape: dict[str, dict[str, int]] = {
        "empty": {"connectors": 0, "failed": 0},
        "many": {"connectors": 500, "tasks": 10},
    }
    app = still(palette, None, **shape.get(case, {}))
    assert snap_compare(app, terminal_size=size, run_before=settled)


def test_overview_looks_as_recorded_when_light_and_ascii(snap_compare):
    """The light theme with glyphs of ASCII."""
    app = still(LIGHT.with_glyphs(ascii=True))
    assert snap_compare(app, terminal_size=(120, 36), run_before=settled)


@SIZES
def test_workers_look_as_recorded_when_one_came_back(snap_compare, size):
    """Lanes, generations with their causes, and the moves of the newest one."""

    async def workers(pilot):
        await open_view(pilot, 2)

    assert snap_compare(still(DARK), terminal_size=size, run_before=workers)
