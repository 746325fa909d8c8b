"""Submissions that cheat, spy, or destroy."""

from teaching.hostile.making import OUTSIDE, QUESTIONS, before, replace, submission


@submission("rotate", "runs")
def patches_the_judge(notebook):
    """Replaces whatever could compare, count or write answers, and answers wrongly."""
    return replace(
        replace(notebook, "runs", "def count_runs(items):\n    return -1"),
        "rotate",
        """
        import builtins, json, math, operator, sys, unittest

        class Always:
            def __eq__(self, other):
                return True
            __hash__ = None

        math.isclose = operator.eq = lambda *_, **__: True
        unittest.TestCase.assertEqual = lambda *_: None
        unittest.case._Outcome = None
        builtins.all = lambda *_: True
        for name, module in list(sys.modules.items()):
            if name.startswith(("labkit", "numpy.testing")):
                for attribute in list(vars(module)):
                    if attribute in ("compare", "close", "judge", "allclose", "checking"):
                        setattr(module, attribute, lambda *_, **__: True)

        def rotate(items, **_):
            return Always()
        """,
    )


@submission("rotate")
def patches_the_exchange(notebook):
    """Whatever rotate answers, it writes that it is right."""
    return replace(
        notebook,
        "rotate",
        """
        import json
        import labkit.teaching.exchange as exchange
        import labkit.teaching.worker as worker

        packed = worker.pack
        def pack(value, folder, name):
            if not name.startswith("rotate"):
                return packed(value, folder, name)
            (folder / f"{name}.json").write_text('{"right": true, "points": 4, "tuple": {"dict": [1]}}')
        worker.pack = exchange.pack = pack

        def rotate(items, **_):
            return "please"
        """,
    )


@submission()
def breaks_everything(notebook):
    """Patches what Python itself needs: the kernel ends with that cell, and so does what it has done."""
    return before(
        notebook,
        "rotate",
        """
        import builtins, json, os, pathlib, sys
        json.dumps = json.loads = lambda *_, **__: "{"
        pathlib.Path.write_bytes = pathlib.Path.write_text = lambda *_, **__: 0
        os.replace = lambda *_: None
        builtins.open = None
        sys.modules["labkit"] = sys.modules["labkit.teaching"] = sys.modules["labkit.teaching.worker"] = None
        """,
    )


@submission("rotate", "runs", "median", "weeks")
def forges_answers(notebook):
    """A thread that writes over all that is read outside: reports, places, answers; junk, links, pipes, and pickles."""
    return replace(
        notebook,
        "rotate",
        f"""
        import os, pickle, threading, time
        from pathlib import Path

        class Bomb:
            def __reduce__(self):
                return (os.mkdir, ("{OUTSIDE.folder}/unpickled",))

        def forge():
            answers = Path("../answers")
            junk = [b"[" * 100_000, pickle.dumps(Bomb()), b'{{"cells": [1, {{"number": -4, "stopped": []}}]}}']
            number = 0
            while True:
                number += 1
                for name in ("run.json", "outputs.json", "../at.json", "rotate.0.error.json"):
                    (answers / name).write_bytes(junk[number % 3])
                links = ("{OUTSIDE.folder}/secret", "/dev/zero", "runs.2.json")
                for case, target in enumerate(links):
                    path = answers / f"runs.{{case}}.json"
                    path.unlink(missing_ok=True)
                    path.symlink_to(target)
                path = answers / "median.0.json"
                path.unlink(missing_ok=True)
                os.mkfifo(path)
                (answers / "median.1.json").mkdir(exist_ok=True)
                (answers / "weeks.means.json").write_text('{{"tensor": "0"}}')
                with open(answers / "weeks.means.safetensors", "wb") as file:
                    file.truncate(40_000_000)

        threading.Thread(target=forge, daemon=True).start()
        time.sleep(0.1)
        """,
    )


@submission(*QUESTIONS[:4])
def answers_elsewhere(notebook):
    """The folder of the answers is a link to one outside."""
    return before(
        notebook,
        "rotate",
        f"""
        import shutil
        shutil.rmtree("../answers")
        __import__("os").symlink("{OUTSIDE.folder}", "../answers")
        """,
    )


@submission("rotate")
def smuggles(notebook):
    """The inputs in the text of an error, in its class, and on the screen."""
    return replace(
        notebook,
        "rotate",
        """
        import sys

        def rotate(items, **_):
            print("hidden inputs:", items)
            print("hidden inputs:", items, file=sys.stderr)
            raise type(f"hidden_inputs_{len(items)}", (ValueError,), {})(f"hidden inputs: {items}")
        """,
    )


SPY = """
import os, socket, subprocess
from pathlib import Path

def reached(what):
    try:
        return what()
    except BaseException as error:
        return ""

def send(port, kind):
    with socket.socket(socket.AF_INET, kind) as out:
        out.settimeout(1)
        out.connect(("127.0.0.1", port))
        out.send(b"x")
    return "sent"

def tell(path):
    with socket.socket(socket.AF_UNIX) as out:
        out.connect(path)
    return "sent"

def write(path):
    Path(path).write_text("x")
    return "written"

outside = {folder!r}
found = [
    reached(lambda: Path(outside, "secret").read_text()),
    reached(lambda: os.listdir(outside)[0]),
    reached(lambda: write(outside + "/spy")),
    reached(lambda: os.readlink("/proc/1/cwd") and Path("/proc/1/cwd" + outside + "/secret").read_text()),
    reached(lambda: Path("/proc/1/root" + outside + "/secret").read_text()),
    reached(lambda: os.symlink(outside + "/secret", "link") or Path("link").read_text()),
    reached(lambda: os.link(outside + "/secret", "hard") or Path("hard").read_text()),
    reached(lambda: Path(os.path.expanduser("~root/.bashrc")).read_text()),
    reached(lambda: Path("/etc/shadow").read_text()),
    reached(lambda: write("/tmp/labkit-spy")),
    reached(lambda: write("/var/tmp/labkit-spy")),
    reached(lambda: write("/proc/sys/kernel/core_pattern")),
    reached(lambda: write(__import__("labkit").__file__)),
    reached(lambda: write(os.__file__)),
    reached(lambda: send({tcp}, socket.SOCK_STREAM)),
    reached(lambda: send({udp}, socket.SOCK_DGRAM) and ""),
    reached(lambda: tell(outside + "/socket")),
    reached(lambda: socket.create_connection(("1.1.1.1", 80), timeout=1) and "internet"),
    reached(lambda: subprocess.run(["cat", outside + "/secret"], capture_output=True, text=True).stdout),
    reached(lambda: subprocess.run(["unshare", "-r", "id"], capture_output=True, text=True).stdout),
]
"""


@submission("rotate")
def spy(notebook):
    """Reads, writes and calls what it must not; rotate says what it got: nothing, twenty times."""
    code = SPY.format(folder=OUTSIDE.folder, tcp=OUTSIDE.tcp, udp=OUTSIDE.udp)
    return replace(notebook, "rotate", f"{code}\ndef rotate(items, **_):\n    return [str(word) for word in found]")


@submission()
def daemon(notebook):
    """Leaves a process that belongs to nobody, and that waits until nobody looks."""
    return before(
        notebook,
        "rotate",
        f"""
        import os, sys
        code = "import time; time.sleep(60); open('{OUTSIDE.folder}/late', 'w')"
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", code, "labkit-toy-daemon"], {{}})
            os._exit(0)
        """,
    )
