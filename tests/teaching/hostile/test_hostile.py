"""What submissions do to the box, and what they cannot: see ``submissions.py``."""

import contextlib
import dataclasses
import functools
import math
import socket
import time

import psutil
import pytest
from teaching.hostile import submissions, toy
from teaching.hostile.submissions import LOSES, OUTSIDE, SUBMISSIONS

from labkit.teaching import contain
from labkit.teaching.box import Failure, Job, Probe, answer
from labkit.teaching.limits import Limits

LIMITS = Limits(cell_cpu=1.5, cpu=6, megabytes=400, processes=30, file_megabytes=50, output_megabytes=3)
OTHER_LIMITS = {"prints_without_end": dataclasses.replace(LIMITS, megabytes=1500)}  # it must print before it is full
SLOW = {"sleeps", "endless_and_deaf"}
contained = {"network", "files", "processes"} <= set(contain.layers())
pytestmark = pytest.mark.skipif(not contained, reason=f"nobody should run these here: {contain.level()}")


@pytest.fixture(scope="module")
def expected():
    return toy.hidden()


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A folder and sockets that nobody may reach; what it returns looks whether somebody has."""
    folder = tmp_path_factory.mktemp("canary")
    (folder / "secret").write_text("the canary")
    with contextlib.ExitStack() as stack:
        kinds = {
            "tcp": socket.socket(),
            "udp": socket.socket(type=socket.SOCK_DGRAM),
            "unix": socket.socket(socket.AF_UNIX),
        }
        for name, listening in kinds.items():
            stack.enter_context(listening)
            listening.settimeout(0.01)
            listening.bind(str(folder / "socket") if name == "unix" else ("127.0.0.1", 0))
            if name != "udp":
                listening.listen()
        OUTSIDE.folder, OUTSIDE.tcp, OUTSIDE.udp = (
            str(folder),
            *(kinds[name].getsockname()[1] for name in ("tcp", "udp")),
        )

        def untouched():
            for name, listening in kinds.items():
                with pytest.raises(TimeoutError):
                    listening.recv(1) if name == "udp" else listening.accept()
            assert sorted(path.name for path in folder.iterdir()) == ["secret", "socket"]
            assert (folder / "secret").read_text() == "the canary"
            return True

        yield untouched


@pytest.fixture(scope="module")
def ask(tmp_path_factory, outside, expected):
    """Run a submission, by its name, once, and see that it has reached nothing and left nothing."""
    functions, inputs, _ = expected
    probes = [Probe(name, function, inputs=inputs[name]) for name, function in functions.items()]
    folder = tmp_path_factory.mktemp("box")

    @functools.cache
    def run(name, way=""):
        notebook = SUBMISSIONS[name](toy.solved()) if name else toy.solved()
        job = Job(toy.without_checks(notebook), [*probes, Probe("weeks", names=("means",))])
        with pytest.MonkeyPatch.context() as patch:
            if way:
                patch.setattr(contain, "_measured", lambda: (way, contain.measure(way)))
            answers = answer(job, folder, OTHER_LIMITS.get(name, LIMITS))
        assert list(folder.iterdir()) == []
        assert outside()
        return answers

    return run


def right(answers, expected, question):
    """Whether a question is answered, and rightly."""
    return all(
        type(value) is type(truth) and value == truth
        for value, truth in zip(answers.values[question], expected[2][question], strict=True)
    )


def mark(name):
    return pytest.param(name, marks=pytest.mark.long) if name in SLOW else name


# Given cells that were changed or deleted are put back before the box, by those who read submissions.
@pytest.mark.parametrize("name", [mark(name) for name in SUBMISSIONS if not name.startswith("given_")])
def test_no_other_question_suffers(name, ask, expected):
    answers = ask(name)
    for question in ("rotate", "runs", "median", "weeks"):
        assert right(answers, expected, question) == (question not in LOSES[name]), answers.values[question]
    assert answers.cpu < 4 * (LIMITS.cpu + 1)
    str(answers.values).encode(), str(answers.notes).encode()  # nothing in it that cannot be written


WAYS = [way for way in ("bubblewrap", "namespaces") if {"network", "files", "processes"} <= set(contain.measure(way))]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["spy", "daemon", "fork_bomb"])
def test_every_way_holds(name, way, ask, expected):
    answers = ask(name, way)
    for question in ("rotate", "runs", "median", "weeks"):
        assert right(answers, expected, question) == (question not in LOSES[name]), answers.values[question]
    if name == "spy":
        assert answers.values["rotate"] == [[""] * 20] * 5
    if name == "daemon":
        time.sleep(0.1)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                assert "labkit-toy-daemon" not in process.cmdline()


def failures(answers, question):
    assert all(isinstance(value, Failure) for value in answers.values[question]), answers.values[question]
    return {value.says for value in answers.values[question]}


def test_a_solved_notebook_is_right(ask, expected):
    answers = ask("")
    assert all(right(answers, expected, question) for question in expected[2])
    assert answers.notes == ()
    assert 0.1 < answers.cpu < 4
    assert set(answers.contained) == set(contain.layers())
    shown = [output.text for cell in answers.notebook.cells for output in cell.get("outputs", [])]
    assert shown == ["step 4, to the right\n"]


def test_a_blank_one_is_not_answered_and_no_cell_fails(ask):
    answers = ask("blank")
    for question in ("rotate", "runs", "median", "weeks"):
        assert failures(answers, question) == {"not answered yet"}
        assert {value.type for value in answers.values[question]} == {"NotImplementedError"}
    assert answers.notes == ()


def test_endless_functions_are_named(ask):
    answers = ask("endless_function")
    assert failures(answers, "rotate") == {"your function did not end within 1.5 s of computing"}
    assert {value.type for value in answers.values["rotate"]} == {"TimeoutError"}


def test_endless_cells_are_named(ask):
    answers = ask("endless_cell")
    assert failures(answers, "weeks") == {"there is no means after your notebook has run"}
    assert answers.notes == ("cell 11 (# answer: weeks) did not end within 1.5 s of computing and was interrupted",)


def test_ends_of_python_are_named(ask):
    answers = ask("exits")
    assert failures(answers, "rotate") == failures(answers, "runs") == {"your function ended Python"}
    answers = ask("exits_in_a_cell")
    says = "there is no median after your notebook has run: its cell ended Python, and was left out"
    assert failures(answers, "median") == {says}
    assert answers.notes == ("cell 9 (# answer: median) ended Python: left out, the rest was run again",)


def test_what_takes_too_much_is_named(ask):
    says = {
        "memory_bomb": ("rotate", "your function took more than 400 MB of memory"),
        "fills_the_disk": ("rotate", "your function wrote more than 50 MB of files"),
        "deep_folders": ("rotate", "your function wrote more than 50 MB of files"),
    }
    for name, (question, words) in says.items():
        assert failures(ask(name), question) == {words}, name
    says = failures(ask("fork_bomb"), "runs")  # the kernel refuses more, or it is stopped, whatever comes first
    assert says <= {
        "your function started more than 30 processes",
        "your function failed with BlockingIOError in line 5 of its cell",
    }
    says = failures(ask("prints_without_end"), "rotate")  # it may fill the memory, or its time, before anybody can read
    assert says in (
        {"your function printed more than 3 MB"},
        {"your function took more than 1500 MB of memory"},
        {"your function did not end within 1.5 s of computing"},
        {"your function did not end before the run had taken 6 s of computing"},
    )


def test_what_cannot_travel_is_named(ask):
    answers = ask("cannot_travel")
    wanted = "a number, text, tensor, or a list, tuple or dict of these was expected; got"
    assert failures(answers, "rotate") == {f"{wanted} function"}
    assert failures(answers, "runs") == {f"{wanted} an object of another kind"}
    assert failures(answers, "weeks") == {f"{wanted} set"}


def test_odd_values_arrive_as_what_they_are(ask):
    answers = ask("odd_values")
    assert {value.type for value in answers.values["rotate"] + answers.values["runs"]} == {"ExchangeError"}
    text, nan, infinite, nested = answers.values["median"][0]
    assert (text, infinite, nested) == ("???", -math.inf, {"a": (1,)})
    assert math.isnan(nan)


def test_errors_carry_no_inputs_outside(ask):
    answers = ask("smuggles")
    assert failures(answers, "rotate") == {"your function failed with ValueError in line 7 of its cell"}
    assert "hidden" not in str(answers.values["rotate"]) + str(answers.notes)
    assert not any("hidden inputs: [" in str(cell.get("outputs")) for cell in answers.notebook.cells)


def test_outputs_come_back_for_the_teacher(ask):
    answers = ask("script")
    outputs = [output for cell in answers.notebook.cells for output in cell.get("outputs", [])]
    assert any("alert(3)" in output.get("data", {}).get("text/html", "") for output in outputs)


def test_forged_outputs_are_not_read(ask):
    answers = ask("forges_answers")
    assert answers.notebook is None
    assert all(isinstance(value, Failure) for value in answers.values["runs"][:3])


def test_every_submission_says_what_it_loses():
    assert set(LOSES) == set(SUBMISSIONS)
    assert all(loses <= set(submissions.QUESTIONS) for loses in LOSES.values())
    assert len(SUBMISSIONS) >= 30
