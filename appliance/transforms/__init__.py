"""Built-in transforms, one file each; `PLUGINS` names them without importing them."""

from __future__ import annotations

from appliance.api.plugin import Plugin

PLUGINS: tuple[Plugin, ...] = ()
