import dataclasses
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import labkit
from labkit.teaching import contain, containers
from labkit.teaching.contain import ContainError, Limits, run

LIMITS = Limits(cpu=5, megabytes=100, processes=6, file_megabytes=5, output_megabytes=1)
SMALL = [sys.executable, "-I", "-S", "-c"]
CONTAINED = {"network", "files"} <= set(contain.layers())
linux = pytest.mark.skipif(sys.platform != "linux", reason="walls are built on Linux only")
walls = pytest.mark.skipif(not CONTAINED, reason=f"this machine has {contain.level()}")


def inside(code, folder, limits=LIMITS, **options):
    return run([*SMALL, code], folder, limits, trust=True, **options)


def test_a_command_runs_in_its_folder_with_an_environment_from_scratch(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_TEACHER", "x")
    code = "import os, sys; print(os.getcwd()); print(dict(os.environ), repr(sys.stdin.read())); sys.exit(3)"
    ended = inside(code, tmp_path)
    assert (ended.status, ended.stopped) == (3, "")
    assert ended.said.splitlines()[0] == str(tmp_path)
    assert "SECRET_OF_THE_TEACHER" not in ended.said
    assert ended.said.endswith(" ''\n")
    assert f"'HOME': '{tmp_path}/home'" in ended.said
    assert f"'TMPDIR': '{tmp_path}/tmp'" in ended.said
    assert "'LABKIT_CACHE': 'off'" in ended.said
    assert "'OMP_NUM_THREADS': '1'" in ended.said
    assert ended.cpu < 5


@pytest.mark.parametrize(
    ("stopped", "code", "limits"),
    [
        ("cpu", "while True: pass", {"cpu": 0.3}),
        ("cpu", "import os\nfor _ in range(3): os.fork()\nwhile True: pass", {"cpu": 0.5, "processes": 20}),
        ("wall", "import time; time.sleep(60)", {"cpu": 0.1}),
        ("memory", "b = bytearray(300_000_000)\nb[::4096] = b'x' * len(b[::4096])\nwhile True: pass", {}),
        ("processes", "import os, time\nfor _ in range(4): os.fork()\ntime.sleep(60)", {}),
        ("disk", "for n in range(30): open(str(n), 'wb').write(b'x' * 10**6)\nimport time; time.sleep(60)", {}),
        ("disk", "import os, time\nfor n in range(2000): os.mkdir(str(n))\ntime.sleep(60)", {}),
        ("output", "while True: print('x' * 10_000)", {"file_megabytes": 100}),
    ],
)
def test_limits_stop_it(stopped, code, limits, tmp_path, monkeypatch):
    if stopped != "wall":  # a busy machine may give it little time
        monkeypatch.setattr("labkit.teaching.limits.WALL", 1000)
    if os.name != "posix" and "fork" in code:
        pytest.skip("no fork here")
    before = set(psutil.Process().children(recursive=True))  # of other tests
    ended = inside(code, tmp_path, dataclasses.replace(LIMITS, **limits))
    assert (ended.status, ended.stopped) == (None, stopped)
    left = set(psutil.Process().children(recursive=True)) - before
    assert not [process for process in left if process.status() != "zombie"]


def test_memory_that_is_shared_counts_once(tmp_path):
    code = "import os, time\nb = b'x' * 60_000_000\nfor _ in range(2): os.fork()\ntime.sleep(0.5)"
    assert inside(code, tmp_path).stopped == ""


@linux
def test_a_file_has_an_end(tmp_path):
    code = "import os\ntry: open('a', 'wb').write(b'x' * 10**7)\nexcept OSError as error: print(error.errno)"
    if CONTAINED:
        assert inside(code, tmp_path).said == "27\n"
    assert sum(path.stat().st_size for path in tmp_path.glob("a")) <= 5_000_000


def test_what_it_prints_comes_back_shortened(tmp_path):
    said = inside("print('first'); print('x' * 100_000); print('last')", tmp_path).said
    assert said.startswith("first\n")
    assert said.endswith("last\n")
    assert len(said) == 2000


def test_this_labkit_and_its_packages_are_found(tmp_path):
    command = [sys.executable, "-c", "import labkit.teaching.exchange, psutil; print(labkit.__file__)"]
    ended = run(command, tmp_path, dataclasses.replace(LIMITS, megabytes=1000), trust=True)
    assert ended.status == 0, ended.said
    assert ended.said.strip().endswith("/labkit/__init__.py")


@walls
def test_nothing_else_of_the_clone_is_there(tmp_path):
    clone = Path(labkit.__file__).resolve().parents[1]
    code = f"import os; print(os.path.exists({str(clone / 'labkit')!r}), os.path.exists({str(clone / 'tests')!r}))"
    assert inside(code, tmp_path).said == "True False\n"


@walls
def test_labkit_can_be_read_and_not_written(tmp_path):
    path = Path(contain.__file__).resolve()
    ended = inside(f"print(open({str(path)!r}).readline()); open({str(path)!r}, 'a')", tmp_path)
    assert '"""The box: a command runs within limits' in ended.said
    assert ended.status == 1


@walls
def test_it_has_no_rights(tmp_path):
    status = inside("print(open('/proc/self/status').read())", tmp_path).said
    assert "CapEff:\t0000000000000000" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


@walls
def test_multiprocessing_works(tmp_path):
    code = "import multiprocessing as m; print(m.get_context('fork').Pool(2).map(abs, [-1, 2]), m.Lock())"
    assert inside(code, tmp_path).said.startswith("[1, 2] <Lock")


@linux
@pytest.mark.parametrize("way", ["bubblewrap", "namespaces"])
def test_namespaces_hold_all_layers_or_do_not_start(way):
    assert contain.measure(way) in ((), contain.LAYERS)


@linux
def test_weaker_ways_say_what_they_do_not_hold():
    assert contain.measure("nothing") == ("time", "memory")
    assert "network" not in contain.measure("landlock")  # UDP, and sockets in files


@walls
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_has_the_same_walls(tmp_path):
    python = next((path for path in (sys.executable, "/usr/bin/python3") if _can_start(path)), None)
    if python is None:
        pytest.skip("no Python of this version that an ordinary user can start")
    os.chown(tmp_path, 65534, 65534)
    paths = os.pathsep.join([str(Path(labkit.__file__).parents[1]), str(Path(psutil.__file__).parents[1])])
    code = "from labkit.teaching import contain; print(*contain.layers())"
    done = _as_nobody([python, "-c", code], {"PYTHONPATH": paths, "TMPDIR": str(tmp_path)})
    assert tuple(done.stdout.split()) == contain.LAYERS, done.stderr


def _as_nobody(command, values):
    who = {"user": 65534, "group": 65534, "extra_groups": []}
    return subprocess.run(command, env={"PATH": os.defpath, **values}, capture_output=True, text=True, cwd="/", **who)


def _can_start(python):
    try:
        paths = os.pathsep.join([str(Path(labkit.__file__).parents[1]), str(Path(psutil.__file__).parents[1])])
        return _as_nobody([python, "-c", "import psutil, labkit"], {"PYTHONPATH": paths}).returncode == 0
    except OSError:
        return False


def test_without_walls_it_runs_only_on_trust(tmp_path, monkeypatch):
    monkeypatch.setattr(contain, "_measured", lambda: ("nothing", ("time", "memory")))
    assert contain.level() == "no walls: time, memory; not network, files, processes"
    with pytest.raises(ContainError) as error:
        run([*SMALL, "open('a', 'w')"], tmp_path, LIMITS)
    assert str(error.value) == (
        "this machine cannot keep submissions from the network and your files: "
        "use --container, or --trust if you know every author"
    )
    assert not (tmp_path / "a").exists()
    assert run([*SMALL, "print(1)"], tmp_path, LIMITS, trust=True).said == "1\n"
    assert run([*SMALL, "while True: pass"], tmp_path, Limits(cpu=0.2), trust=True).stopped in ("cpu", "wall")


@pytest.mark.skipif(os.name != "posix", reason="no fork here")
def test_without_walls_what_stays_is_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(contain, "_measured", lambda: ("nothing", ("time", "memory")))
    wait = f"time.sleep(50 + 0 * {secrets.randbits(60)})"  # a run of its own, whoever else tests here
    code = f"import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: {wait}\n    os._exit(0)"
    assert inside(f"{code}\nprint(os.environ['LABKIT_BOX'])", tmp_path).status == 0
    assert not any(wait in word for process in psutil.process_iter() for word in _words(process))


def _words(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


FAKE = """#!/bin/sh
echo "$@" >> {record}
[ "$1" = kill ] && exit
while [ "$1" != {image} ]; do shift; done
shift
exec "$@"
"""


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """A docker that notes what it is asked, and runs the command right here."""

    def make():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / "docker").write_text(FAKE.format(record=tmp_path / "record", image=containers.BARE))
        (tmp_path / "bin" / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
        return lambda: (tmp_path / "record").read_text().splitlines()

    (tmp_path / "box").mkdir()
    return make


@linux
def test_a_container_has_the_limits_and_no_network(engine, tmp_path):
    asked = engine()
    ended = run([*SMALL, "print(1)"], tmp_path / "box", LIMITS, container="docker")
    assert (ended.status, ended.stopped, ended.said, ended.cpu) == (0, "", "1\n", 0.0)
    (words,) = asked()
    for option in (
        "run --rm --pull never --name labkit-",
        "--network none --read-only --cap-drop ALL --security-opt no-new-privileges",
        "--memory 100m --memory-swap 100m --pids-limit 60",
        "--ulimit cpu=6",
        "--ulimit fsize=5000000",
        f"--user {os.getuid()}:{os.getgid()}",
        f"--volume {tmp_path / 'box'}:{tmp_path / 'box'}:rw",
        "--volume /usr:/usr:ro",
        f"--workdir {tmp_path / 'box'}",
        "--env LABKIT_CACHE=off",
        f"{containers.BARE} {sys.executable} -I -S -c",
    ):
        assert option in words
    assert "rw" not in words.replace(f"{tmp_path / 'box'}:rw", "").split()


@linux
def test_a_container_that_takes_too_long_is_killed(engine, tmp_path):
    asked = engine()
    ended = run([*SMALL, "import time; time.sleep(50)"], tmp_path / "box", Limits(cpu=0.1), container="docker")
    assert (ended.status, ended.stopped) == (None, "wall")
    assert asked()[1].startswith("kill labkit-")


@linux
def test_a_container_that_its_engine_killed_took_too_much_memory(engine, tmp_path):
    engine()
    ended = run([*SMALL, "import sys; sys.exit(137)"], tmp_path / "box", LIMITS, container="docker")
    assert (ended.status, ended.stopped) == (None, "memory")


@pytest.mark.parametrize(
    ("container", "says"), [("podman:course", "which is none"), ("podman", "which is not installed")]
)
def test_other_engines_are_refused(container, says, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ContainError, match=f"a container engine, docker or podman, was expected; got .*{says}"):
        run([*SMALL, "1"], tmp_path, LIMITS, container=container)


def test_the_tries_are_made_once(monkeypatch):
    began = time.monotonic()
    for _ in range(100):
        contain.layers()
    assert time.monotonic() - began < 1
    assert json.dumps(contain.layers())
