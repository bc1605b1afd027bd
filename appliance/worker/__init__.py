"""The worker side of tasks: processes, plugins, validation."""
