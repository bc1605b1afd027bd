"""What the registry refuses, with Confluent's error codes and words.

The HTTP status of an answer is the code's first three digits.
"""

from __future__ import annotations

from appliance.errors import ConnectError


class SchemaTextError(ValueError):
    """A text is no schema of its type; the message says why."""


class RegistryFault(ConnectError):
    """A request the registry refuses."""

    def __init__(self, code: int, message: str) -> None:
        """Keep the code."""
        super().__init__(message)
        self.code = code

    @property
    def status(self) -> int:
        """Give the HTTP status."""
        return int(str(self.code)[:3])


def subject_not_found(subject: str) -> RegistryFault:
    """Give the fault of a subject without (live) versions."""
    return RegistryFault(40401, f"Subject '{subject}' not found.")


def version_not_found(version: int | str) -> RegistryFault:
    """Give the fault of a version that does not exist."""
    return RegistryFault(40402, f"Version {version} not found.")


def schema_not_found(schema_id: int | None = None) -> RegistryFault:
    """Give the fault of an id, or of a schema that is not registered."""
    shown = "Schema" if schema_id is None else f"Schema {schema_id}"
    return RegistryFault(40403, f"{shown} not found")


def invalid_schema(why: str) -> RegistryFault:
    """Give the fault of a text that is no schema."""
    return RegistryFault(42201, f"Either the input schema or one its references is invalid: {why}")


def invalid_version(text: str) -> RegistryFault:
    """Give the fault of a version that cannot be."""
    return RegistryFault(
        42202,
        f"The specified version '{text}' is not a valid version id. Allowed values are between "
        '[1, 2^31-1] and the string "latest"',
    )


def not_permitted(why: str) -> RegistryFault:
    """Give the fault of an operation that the mode forbids."""
    return RegistryFault(42205, why)
