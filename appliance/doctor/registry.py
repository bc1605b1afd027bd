"""The schema registries that a connector's converters ask: whether they answer, with their own login."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from appliance.doctor.findings import Finding, ok, problem
from appliance.errors import ConnectError
from appliance.schemaregistry.options import CONFIG, client_of

_QUICK: Final = {"max.retries": "0", "http.read.timeout.ms": "5000"}
_URL: Final = "schema.registry.url"


def examine_registry(
    name: str, worker: Mapping[str, str], config: Mapping[str, str]
) -> Iterator[Finding]:
    """Give whether each registry answers; the worker's own converters have the worker's options."""
    asked: set[str] = set()
    for side in ("value", "key"):
        prefix = f"{side}.converter."
        given = config if f"{side}.converter" in config else worker
        options = {
            key.removeprefix(prefix): text for key, text in given.items() if key.startswith(prefix)
        }
        url = options.get(_URL, "").strip()
        if not url or url in asked:
            continue
        asked.add(url)
        # the first that answers will do for the converter too
        try:
            texts = {**options, **_QUICK}
            subjects = client_of(texts, CONFIG.parse(texts)).request("GET", "/subjects")
        except ConnectError as error:
            remedy = f"correct {prefix}{_URL}, its login or its TLS; or start the registry"
            yield problem(name, f"the schema registry: {error}", remedy, prefix + _URL)
        else:
            text = f"the schema registry has {len(subjects)} subjects"
            yield ok(name, text, prefix + _URL)
