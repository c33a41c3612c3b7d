"""Bytes to log lines: physical lines, JSON documents, records over several lines, damage undone."""
