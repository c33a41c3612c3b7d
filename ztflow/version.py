"""The version of ztflow."""

__version__ = "0.1.0"
