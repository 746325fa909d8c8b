"""What every benchmark shares: peers that live in their own environment, and a table of ratios at the end.

In each benchmark group the first test named ``test_labkit...`` is ours; the others are compared with it.
"""

import json
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
PEER_PYTHON = HERE.parent / ".venv-peers" / "bin" / "python"


class Peer:
    """Calls functions of ``peers.py`` in the peers' environment: ``peer("decode_pyav", path=..., indices=[0, 5])``.

    Arrays may be passed and come back. ``seconds`` is the time spent inside all calls so far, transport not included.
    """

    def __init__(self, process: subprocess.Popen, folder: Path) -> None:
        self.process, self.folder, self.seconds = process, folder, 0.0

    def __call__(self, call: str, **args: Any) -> Any:
        for name, value in args.items():
            if isinstance(value, np.ndarray):
                args[name] = str(self.folder / f"{name}.npy")
                np.save(args[name], value)
        out = str(self.folder / "result.npy")
        print(json.dumps({"call": call, "args": args, "out": out}), file=self.process.stdin, flush=True)
        reply = json.loads(self.process.stdout.readline() or '{"error": "the process died"}')
        if "error" in reply:
            raise RuntimeError(f"peer {call}: {reply['error']}")
        self.seconds += reply["seconds"]
        return np.load(out) if reply["result"] == out else reply["result"]


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """The peers' process; skips where their environment is missing."""
    if not PEER_PYTHON.exists():
        pytest.skip("the peers' environment .venv-peers is missing: run `make bench`")
    command = [str(PEER_PYTHON), str(HERE / "peers.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Peer(process, tmp_path_factory.mktemp("peer"))
        process.stdin.close()


@pytest.fixture
def benchmark_peer(benchmark: Any, peer: Peer) -> Callable[..., Any]:
    """``benchmark_peer("decode_pyav", path=...)``: times a peer by its own clock and returns its result."""

    def run(call: str, rounds: int = 5, **args: Any) -> Any:
        benchmark._timer = lambda: peer.seconds
        return benchmark.pedantic(peer, (call,), args, rounds=rounds, warmup_rounds=1)

    return run


def pytest_configure(config: pytest.Config) -> None:
    """Leave out pytest-benchmark's own, wider table (``--benchmark-verbose`` brings it back)."""
    config.option.benchmark_quiet = True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One table a group: name, median time, ratio to ours, and whatever the tests put into ``extra_info``."""
    groups = defaultdict(list)
    for done in terminalreporter.config._benchmarksession.benchmarks:
        if done and not done.has_error:
            groups[done.group].append(done)
    for group, members in groups.items():
        ours = next((done.stats.median for done in members if done.name.startswith("test_labkit")), None)
        extras = list(dict.fromkeys(key for done in members for key in done.extra_info))
        rows = [["", "median", "x ours", *extras]]
        for done in sorted(members, key=lambda done: done.stats.median):
            ratio = f"{done.stats.median / ours:.2f}" if ours else "-"
            name = done.name.removeprefix("test_")
            if str(done.param) in str(group):
                name = name.removesuffix(f"[{done.param}]")
            row = [name, f"{done.stats.median * 1e3:.2f} ms", ratio]
            rows.append([*row, *(_text(done.extra_info.get(key, "")) for key in extras)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        terminalreporter.section(str(group))
        for row in rows:
            first, *rest = (text.rjust(width) for text, width in zip(row, widths, strict=True))
            terminalreporter.line("   ".join([first.strip().ljust(widths[0]), *rest]))


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
