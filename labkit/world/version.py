"""The version of the drawings."""

VERSION = 2
"""Raised by hand whenever the same seed gives another image; the cache and the records of the ledger carry it."""
