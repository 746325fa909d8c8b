"""What the papers say, what this lab has measured, and whether the one bears out the other.

- `labkit.claims.ledger`: the papers' tables, figures and claims, one ``<paper>.toml`` each; `labkit.claims.statement`
  explains how a claim is written;
- `labkit.claims.records`: what was measured, as JSON lines; `labkit.claims.provenance`: where and with which code;
- `labkit.claims.selection`: which of them count;
- `labkit.claims.judge`: what the records make of a claim;
- `labkit.claims.report`: verdicts for a terminal, and tables with the paper's numbers beside ours.
"""

from labkit.claims.judge import LEVEL, RISK, Check, Verdict, interval, verdict
from labkit.claims.ledger import DEVELOPMENT, ENOUGH, FRESH, ledger, load
from labkit.claims.paper import Claim, Column, Condition, Confirm, Entry, Paper, Row
from labkit.claims.provenance import provenance
from labkit.claims.records import (
    COUNTING,
    PROFILES,
    Record,
    pack_hits,
    records,
    results_folder,
    unpack_hits,
    write,
)
from labkit.claims.report import beside, expected_wrong, report
from labkit.claims.selection import Selection
from labkit.claims.statement import DECIDED, SYMBOLS, ClaimsError, Outcome, Statement, parse
from labkit.claims.words import unit_of

__all__ = [
    "COUNTING",
    "DECIDED",
    "DEVELOPMENT",
    "ENOUGH",
    "FRESH",
    "LEVEL",
    "PROFILES",
    "RISK",
    "SYMBOLS",
    "Check",
    "Claim",
    "ClaimsError",
    "Column",
    "Condition",
    "Confirm",
    "Entry",
    "Outcome",
    "Paper",
    "Record",
    "Row",
    "Selection",
    "Statement",
    "Verdict",
    "beside",
    "expected_wrong",
    "interval",
    "ledger",
    "load",
    "pack_hits",
    "parse",
    "provenance",
    "records",
    "report",
    "results_folder",
    "unit_of",
    "unpack_hits",
    "verdict",
    "write",
]
