"""What tests run: notebooks, and what they said and drew; programs written in Python."""

import json
import shlex
import sys

import nbformat


def said(path):
    """All text that the cells of a notebook gave."""
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]
    text = "\n".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs)
    return " ".join(text.split())


def figures(path):
    """All that the cells of a notebook have drawn, as text: titles, labels and descriptions."""
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]
    return json.dumps([data for output in outputs for kind, data in output.get("data", {}).items()], ensure_ascii=False)


def write_program(path, code):
    """An executable of Python code. Its first line names no interpreter: a path with a space would not do there."""
    path.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$0" "$@"\n', encoding="utf-8"
    )
    path.chmod(0o755)
