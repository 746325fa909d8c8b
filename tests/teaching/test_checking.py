"""A check prints one line and lets the notebook run on, whatever a student wrote."""

import linecache

import pytest

from labkit.teaching import checking

CELLS = iter(range(10**6))


def run(code, notebook=None):
    """Run a cell as IPython does: its lines can be looked up, and all cells share their names."""
    name = f"<cell {next(CELLS)}>"
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    notebook = {"checking": checking} if notebook is None else notebook
    exec(compile(code, name, "exec"), notebook)
    return notebook


def said(capsys, check, answer=""):
    notebook = run(answer, {"checking": checking})
    run(f'with checking("stack"):\n    {check}\n', notebook)
    return capsys.readouterr().out


STUB = 'def stack(fields):\n    raise NotImplementedError("stack: yours to write")\n'


def test_what_holds_is_fine_so_far(capsys):
    assert said(capsys, "assert stack(1) == 2", "def stack(x):\n    return x + 1\n") == "stack: fine so far\n"


def test_a_stub_is_not_answered_yet(capsys):
    assert said(capsys, "assert stack(1) == 2", STUB) == "stack: not answered yet\n"


@pytest.mark.parametrize("answer", ["best = ...\n", "best = [1, ...]\n", "best = (..., ...)\n", "best = {'a': ...}\n"])
@pytest.mark.parametrize(
    "check", ["assert best > 1, 'too small'", "best.mean()", "len(best)", "print(end='', flush=not best)"]
)
def test_values_left_as_they_were_are_not_answered_yet(capsys, answer, check):
    assert said(capsys, check, answer) == "stack: not answered yet\n"


def test_values_of_a_function_are_looked_at_too(capsys):
    run('def test():\n    best = ...\n    with checking("stack"):\n        best + 1\ntest()\n')
    assert capsys.readouterr().out == "stack: not answered yet\n"


def test_other_names_of_the_notebook_do_not_matter(capsys):
    assert said(capsys, "assert True", "other = ...\n") == "stack: fine so far\n"


def test_an_assertion_says_its_text(capsys):
    assert said(capsys, "assert 1 == 2, 'shape must be (4, 1, 1)'") == "stack: shape must be (4, 1, 1)\n"


def test_an_assertion_without_a_text_says_what_should_hold(capsys):
    assert said(capsys, "assert 1 == 2") == "stack: this should hold: 1 == 2\n"


def test_an_error_is_told_with_the_line_of_the_student(capsys):
    answer = "def stack(fields):\n    size = 3\n    return int('a')\n"
    told = said(capsys, "stack(1)", answer)
    assert told == "stack: ValueError: invalid literal for int() with base 10: 'a' (line 3: return int('a'))\n"


def test_an_error_inside_a_library_names_the_line_that_called_it(capsys):
    told = said(capsys, "stack('{')", "import json\n\ndef stack(text):\n    return json.loads(text)\n")
    assert told.startswith("stack: JSONDecodeError: ")
    assert told.endswith("(line 4: return json.loads(text))\n")


def test_an_error_of_the_check_itself_names_its_line(capsys):
    told = said(capsys, "stack(1).shape", "def stack(fields):\n    pass\n")
    assert told == "stack: AttributeError: 'NoneType' object has no attribute 'shape' (line 2: stack(1).shape)\n"


def test_an_assertion_of_the_student_is_an_error_of_theirs(capsys):
    told = said(capsys, "stack(1)", "def stack(fields):\n    assert fields > 2\n")
    assert told == "stack: AssertionError (line 2: assert fields > 2)\n"


def test_what_a_library_has_not_implemented_is_no_missing_answer(capsys):
    answer = "import torch\n\ndef stack(fields):\n    return torch.nn.Module()(fields)\n"
    assert "NotImplementedError" in said(capsys, "stack(1)", answer)


def test_without_the_text_of_a_cell_its_number_is_told(capsys):
    exec(compile('with checking("stack"):\n    1 / 0\n', "<nowhere>", "exec"), {"checking": checking})
    assert capsys.readouterr().out == "stack: ZeroDivisionError: division by zero (line 2)\n"


def test_leaving_python_is_no_way_out(capsys):
    assert said(capsys, "raise SystemExit") == "stack: SystemExit (line 2: raise SystemExit)\n"


def test_somebody_who_interrupts_is_heard(capsys):
    with pytest.raises(KeyboardInterrupt), checking("stack"):
        raise KeyboardInterrupt
    assert capsys.readouterr().out == ""
