import pytest
import sample

from labkit.teaching import source
from labkit.teaching.cells import heading_of
from labkit.teaching.source import AssignmentError, solution_code, stub_code


def errors_of(folder, text, **others):
    with pytest.raises(AssignmentError) as error:
        sample.assignment(folder, text, **others)
    return str(error.value).split("\n")


def test_a_source_is_read(tmp_path):
    read = sample.assignment(tmp_path)
    assert (read.number, read.stem, read.title) == ("07", "07_series", "Assignment 7 · Series")
    assert [question.name for question in read.questions] == ["scale", "means", "guess", "chart", "why"]
    assert [question.kind for question in read.questions] == ["function", "value", "function", "figure", "text"]
    assert read.points == 15
    assert [cell.number for cell in read.cells] == list(range(1, len(read.cells) + 1))
    roles = [(cell.role, cell.name) for cell in read.cells[:5]]
    assert roles == [("given", ""), ("parameters", ""), ("given", ""), ("question", "scale"), ("answer", "scale")]
    assert [cell.label for cell in read.cells if cell.role == "given" and cell.kind == "code"] == ["setup", "given-2"]


def test_a_question_knows_what_belongs_to_it(tmp_path):
    scale, means, guess, chart, why = sample.assignment(tmp_path).questions
    assert (scale.points, scale.minutes, scale.difficulty, scale.importance) == (4, 20, 2, 5)
    assert scale.judged == "six series"
    assert (scale.function, chart.without) == ("scaled", ("labkit.viz.charts.bars",))
    assert len(scale.mistakes) == 2
    assert len(scale.checks) == 1
    assert scale.mistakes[1].fields["says"] == "`base` is not looked at"
    assert (means.values, means.within) == (("middle", "power"), 0.001)
    assert (guess.level, guess.all_or_nothing, guess.has_judge, scale.has_judge) == ("grad", True, True, False)
    assert (why.words, why.heading) == (80, "5 · Why divide at all?")
    assert chart.rubric
    assert why.rubric
    assert not scale.rubric


def test_solutions_and_stubs_are_cut_from_one_cell(tmp_path):
    scale, means, _, chart, why = [question.answer for question in sample.assignment(tmp_path).questions]
    assert stub_code(scale).endswith('add `base`."""\n    raise NotImplementedError("scale: yours to write")')
    assert stub_code(means) == "middle, power = ..., ..."
    assert stub_code(chart) == "...  # yours to draw"
    assert stub_code(why) == "*Your answer here.*"
    assert "SOLUTION" not in "".join(solution_code(cell) for cell in (scale, means, chart, why))
    space = {"BASE": 2}
    exec(solution_code(scale), space)
    assert space["scaled"]([1, -4]) == [2.25, 1.0]


def test_values_have_a_stub_of_their_own(tmp_path):
    read = sample.assignment(tmp_path, sample.changed("SOLUTION middle, power = ..., ...", "SOLUTION"))
    assert stub_code(read.questions[1].answer) == "middle = ...\npower = ..."


def test_what_stands_around_a_solution_is_kept(tmp_path):
    text = sample.changed(
        "    # BEGIN SOLUTION\n    return fmean(series) if series else 0.0\n    # END SOLUTION",
        "    first = 1\n    # BEGIN SOLUTION result = ...\n    result = 2\n    # END SOLUTION\n"
        "    # BEGIN SOLUTION\n    result = 3\n    # END SOLUTION\n    return result",
    )
    answer = sample.assignment(tmp_path, text).questions[2].answer
    lines = ["first = 1", "result = ...", 'raise NotImplementedError("guess: yours to write")', "return result"]
    assert stub_code(answer).split("\n")[2:] == [f"    {line}" for line in lines]
    assert solution_code(answer).split("\n")[2:] == [
        f"    {line}" for line in ("first = 1", "result = 2", "result = 3", lines[3])
    ]


def test_the_build_changes_with_every_cell(tmp_path):
    before = sample.assignment(tmp_path)
    assert len(before.build) >= 6
    assert before.build == sample.assignment(tmp_path).build
    after = sample.assignment(tmp_path, sample.changed("(0, 1, 5, 9)", "(0, 1, 5, 8)"))
    assert after.build != before.build
    same = [old.digest == new.digest for old, new in zip(before.questions, after.questions, strict=True)]
    assert same == [False, True, True, True, True]


def test_levels_choose_questions(tmp_path):
    read = sample.assignment(tmp_path)
    assert "guess" not in [question.name for question in read.asked()]
    assert "guess" in [question.name for question in read.asked("grad")]
    assert "guess" not in [cell.name for cell in read.released()]


PARAMETERS = 'student = ""  # your student number\nvariant = 0  # filled in for you'
BASE = "BASE = variant % 7"
SAYS = 'says="`base` is not looked at"'
WHY = "Because series of different units cannot be compared otherwise."
FAULTS = [  # what is changed, and what must be said
    ('answer="scale"', 'answer="scael"', "answer 'scael', which no question asks: questions are scale, means, guess,"),
    ('cases="scale"', 'teacher="scale"', "cell 7: a cell with the role 'teacher' must be [markdown]; got code"),
    ('cases="scale"\n', "two\n", "cell 4: question 'scale' has no hidden cases: add a cell, cases=\"scale\""),
    ("- 3 points: an", "- 2 points: an", "question 'why' has 4 points, but its rubric sums to 3 "),
    ('[markdown] rubric="chart"', "[markdown]", "question 'chart' has no rubric: add a [markdown] cell"),
    (PARAMETERS, 'student = "me"\nvariant = 0', 'exactly the lines student = "" and variant = 0; got other lines'),
    (PARAMETERS, 'student = ""\nvariant = 0\nmore = 1', "got other lines"),
    (PARAMETERS, 'student = ""\nvariant = False', "got other lines"),
    ('%% tags=["parameters"]', "%%", "got no such cells"),
    (" within=0.001", "", "question 'means' has no tolerance: add within="),
    (" within=0.001", " within=0", "within must be a number above 0; got 0: write within=0.002"),
    (' value="middle, power"', "", "question 'means' has within, but no value"),
    ('value="middle, power"', 'value="middle, pwoer"', "'pwoer', which its solution does not set"),
    ("SOLUTION middle, power = ..., ...", "SOLUTION middle = ...", "'power', which what students get does not set"),
    ("\n    # END SOLUTION\n\n\n# %% check", "\n\n\n# %% check", "cell 5: a solution does not end: add END SOLUTION"),
    ("    # BEGIN SOLUTION\n    largest", "    largest", "ends a solution that has not begun"),
    (
        "return fmean(series) if",
        "# BEGIN SOLUTION\n    return fmean(series) if",
        "begins a solution inside another one",
    ),
    ("# <!-- END SOLUTION -->", "# # END SOLUTION", "a solution begins with '<!-- BEGIN SOLUTION -->'"),
    ("# <!-- END SOLUTION -->", "# <!-- END SOLUTIONS -->", "and ends in the same way; got '<!-- END SOLUTIONS -->'"),
    (BASE, f"# BEGIN SOLUTION\n{BASE}\n# END SOLUTION", "only answers have solutions"),
    (f"# <!-- BEGIN SOLUTION -->\n# {WHY}\n# <!-- END SOLUTION -->", "# Because.", "the answer 'why' has no solution"),
    ("    return fmean(series) if series else 0.0\n", "", "a solution of 'guess' is empty"),
    (" minutes=30", "", "cell 15: minutes must be a whole number from 1 to 600; got nothing: add minutes=20"),
    (" minutes=20", " minuts=20", "the field 'minuts' is not known here; known are points, minutes"),
    ("points=4 minutes=20", "points=0 minutes=20", "points must be a whole number from 1 to 100; got 0: write points="),
    ("difficulty=4", "difficulty=6", "difficulty must be a whole number from 1 to 5; got 6"),
    ("importance=3", "importance=2.5", "importance must be a whole number from 1 to 5; got 2.5"),
    ('level="grad"', 'level="phd"', "level must be \"grad\", or no such field; got 'phd'"),
    ('question="why"', "question=why", "cannot be read: put words in quotes"),
    ('question="why"', 'question="Why?"', "must be lower-case letters, digits and _, at most 40; got 'Why?'"),
    ('check="scale"', 'check="scale" cases="scale"', "a cell must have one role; got check and cases"),
    (BASE, f"# answer: scale\n{BASE}", "the line '# answer: scale' is one that the release adds"),
    ("# Drawn for you alone.", "# <!-- question: scale -->", "one that the release adds"),
    (BASE, "BASE = variant %", "a cell must be Python; invalid syntax in line 4: mend it"),
    (BASE, "BASE = 1\n" * 40, "a cell must have at most 36 lines; got 43: split it"),
    ("# # Assignment 7 · Series\n", "# Series\n", "07_series.py: an assignment must have a title"),
    ("# ## 4 · Draw them", "# Draw them", "question 'chart' must begin with a heading"),
    ('[markdown] teacher="scale"', "[raw]", "must be code or [markdown]; got raw"),
    (SAYS, "", "says must be a text in quotes; got nothing"),
    (SAYS, 'says="the sign of the largest number is lost on the way"', "several mistakes that say"),
    (f"{SAYS}\ndef scaled", f"{SAYS}\ndef scalde", "does not define 'scaled'"),
    ('answer="scale"', 'answer="scale" function="scale"', "'scale', which its solution does not define"),
    (
        "def following",
        "def other():\n    pass\n\ndef following",
        "must show students one function to write; got several",
    ),
    ("figure=true", "figure=true within=0.1", "is answered by a figure, for which 'within' says nothing"),
    ('rubric="why"', 'rubric="scale"', "question 'scale' is answered by a function, which nobody marks by hand"),
    ('cases="guess"', 'cases="means"', "is answered by a value, which has no cases"),
    ("# %%\ngenerator", "# %% setup\ngenerator", "given cells must have different titles; got 'setup' 2 times"),
    ("# %% [markdown]\n# # As", "# %%\nx = 0\n\n# %% [markdown]\n# # As", "before all other code; got cell 1"),
]


@pytest.mark.parametrize(("old", "new", "message"), FAULTS)
def test_faults_are_named(tmp_path, old, new, message):
    assert any(message in line for line in errors_of(tmp_path, sample.changed(old, new)))


def test_every_fault_is_said_in_one_go(tmp_path):
    text = sample.changed(" minutes=30", "").replace('cases="scale"', 'cases="scael"')
    text = text.replace("- 3 points: an example", "- 2 points: an example")
    lines = errors_of(tmp_path, text)
    assert len(lines) == 4
    assert all(line.startswith("07_series.py, cell ") for line in lines)


def test_questions_are_there_once_and_before_all_that_belongs_to_them(tmp_path):
    prompt = '# %% [markdown] question="why" points=4 minutes=15 difficulty=3 importance=5\n# ## 5 · Why?\n\n'
    lines = errors_of(tmp_path, sample.SOURCE + "\n" + prompt)
    assert lines == ["07_series.py, cell 24: question 'why' is there twice: rename one, or take it out"]
    head, answer, tail = sample.SOURCE.partition('# %% [markdown] answer="why"')
    late = head.index('# %% [markdown] question="why"')
    moved = head[:late] + answer + tail + "\n" + head[late:]
    assert any(
        "the answer of 'why' comes before its question: move it below" in line for line in errors_of(tmp_path, moved)
    )


def test_hidden_cases_must_define_cases(tmp_path):
    old = "def cases(seed):\n    generator = random.Random(seed)\n    for length"
    lines = errors_of(tmp_path, sample.changed(old, old.replace("def cases", "def draw")))
    assert len(lines) == 1
    assert "has hidden cases, cell 7, without cases(seed): define it" in lines[0]


def test_a_function_without_judge_needs_a_mistake(tmp_path):
    start, end = sample.SOURCE.index('# %% mistake="scale"'), sample.SOURCE.index('# %% [markdown] teacher="scale"')
    lines = errors_of(tmp_path, sample.SOURCE[:start] + sample.SOURCE[end:])
    assert len(lines) == 1
    assert "question 'scale' has no known mistakes: add a cell, mistake=\"scale\"" in lines[0]


def test_a_solution_outside_of_a_function_needs_a_stub(tmp_path):
    text = sample.changed('def following(series):\n    """Guess the number after a series."""\n    # BEGIN', "# BEGIN")
    text = text.replace(
        "    return fmean(series) if series else 0.0\n    # END", "def following(series):\n    return 0\n# END"
    )
    assert any("its stub would fail when run" in line for line in errors_of(tmp_path, text))


@pytest.mark.parametrize(("name", "message"), [("series.py", "called NN_stem.py"), ("07_none.py", "got [Errno 2]")])
def test_the_file_must_be_there_under_a_right_name(tmp_path, name, message):
    (tmp_path / "series.py").write_text(sample.SOURCE, encoding="utf-8")
    with pytest.raises(AssignmentError) as error:
        source.read(tmp_path / name)
    assert message in str(error.value)


OVERLAY = """\
# %% [markdown] question="means" points=5 minutes=5 difficulty=2 importance=1
# ## 2 · The median

# %%
from statistics import median

# %% answer="means" value="centre" within=0.1
# BEGIN SOLUTION
centre = median(numbers)
# END SOLUTION

# %% [markdown] question="more" points=1 minutes=5 difficulty=2 importance=1
# ## 6 · And now?

# %% [markdown] answer="more"
# <!-- BEGIN SOLUTION -->
# Nothing more.
# <!-- END SOLUTION -->

# %% [markdown] rubric="more"
# - 1 point: anything
"""


def test_the_first_heading_is_found_however_long_it_is():
    headings = {"#  A title \n\nmore": "A title", "#\n# \n### B": "B", "#C": "", "x # D": ""}
    assert {text: heading_of(text) for text in headings} == headings
    assert heading_of("# a" + 300_000 * " " + "b").endswith(" b")  # hours, if each blank were tried with each other


def test_an_overlay_replaces_and_adds_questions(tmp_path):
    read = sample.assignment(tmp_path, overlay=OVERLAY)
    assert [question.name for question in read.questions] == ["scale", "means", "guess", "chart", "why", "more"]
    assert read.questions[1].values == ("centre",)
    assert read.points == 15 + 2 + 1
    labels = [cell.label for cell in read.released() if cell.kind == "code"]
    assert labels == ["parameters", "setup", "scale", "scale", "given-2", "overlay-1", "means", "chart"]
    assert read.build != sample.assignment(tmp_path).build


def test_faults_of_an_overlay_are_those_of_its_file(tmp_path):
    lines = errors_of(tmp_path, sample.SOURCE, overlay=OVERLAY.replace(" within=0.1", ""))
    assert len(lines) == 1
    assert lines[0].startswith("07.py, cell 1: question 'means' has no tolerance: add within=0.002")
    lines = errors_of(tmp_path, sample.SOURCE, overlay="# %%\nx = 1\n")
    assert lines == ["07.py, cell 1: an overlay must begin with a question; got given: move it"]
