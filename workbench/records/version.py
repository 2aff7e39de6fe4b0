"""The version of every record that is written to disk, in one place."""

SCHEMA_VERSION = 1
"""Version of every record written to disk; older ones are read or refused by name."""
