"""What the papers say, what this lab has measured, and whether the one bears out the other.

- `labkit.claims.ledger`: the papers' tables, figures and claims, one ``<paper>.toml`` each; `labkit.claims.statement`
  explains how a claim is written;
- `labkit.claims.records`: what was measured, as JSON lines;
- `labkit.claims.judge`: what the records make of a claim;
- `labkit.claims.report`: verdicts for a terminal, and tables with the paper's numbers beside ours.
"""

from labkit.claims.judge import ENOUGH, LEVEL, Check, Verdict, interval, verdict
from labkit.claims.ledger import Claim, Entry, Paper, Row, ledger, load
from labkit.claims.records import COUNTING, DEVELOPMENT, PROFILES, Record, record, records, results_folder
from labkit.claims.report import beside, report
from labkit.claims.statement import SYMBOLS, ClaimsError, Outcome, Statement, parse

__all__ = [
    "COUNTING",
    "DEVELOPMENT",
    "ENOUGH",
    "LEVEL",
    "PROFILES",
    "SYMBOLS",
    "Check",
    "Claim",
    "ClaimsError",
    "Entry",
    "Outcome",
    "Paper",
    "Record",
    "Row",
    "Statement",
    "Verdict",
    "beside",
    "interval",
    "ledger",
    "load",
    "parse",
    "record",
    "records",
    "report",
    "results_folder",
    "verdict",
]
