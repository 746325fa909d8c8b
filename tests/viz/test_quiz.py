"""The questions of the lessons: sound, and not given away; in a browser, every option answers, with keys as well."""

import base64
import hashlib
import json
import math
from pathlib import Path

import jupytext
import pytest
import torch
import traitlets
from pages import opened, state
from test_language import replaced
from torch import nn

from labkit import course
from labkit.metrics import end_point_error
from labkit.papers.attention_transfer import triplet_loss
from labkit.papers.long_video import ConvPooling
from labkit.papers.temporal_difference import weighted_fusion
from labkit.viz import Quiz, quiz
from labkit.viz.quiz import COUNT, FOLDER, MIX, ROUNDS, Option, Question, keys, lessons, read
from labkit.vlad import vlad

LESSONS = [source.stem[:2] for source in course.sources()]
each_lesson = pytest.mark.parametrize("lesson", LESSONS)
WORDS = {"title": "Sums", "alt": "Five sums."}


def asked(number=0, kind="number", right=1):
    options = [Option(f"{number + at}", f"Because {number} + 1 é.", at == right) for at in range(3)]
    return Question(kind, f"What is {number} + 1?", options)


def sums(**changes):
    given = {"questions": [asked(number) for number in range(COUNT)], "name": "sums", **WORDS}
    return Quiz(**(given | changes))


def unlocked(scene, question, option):
    """What explains an option, decrypted by other means than the module's."""
    digest = hashlib.sha256(f"{scene['name']}.{question}\n{option}".encode()).digest()
    for _ in range(scene["rounds"]):
        digest = hashlib.sha256(digest).digest()
    cipher = base64.b64decode(scene["questions"][question]["answers"][hashlib.sha256(digest + b"tag").hexdigest()[:16]])
    key = hashlib.sha256(digest + b"key").digest()
    blocks = [hashlib.sha256(key + bytes([0, 0, 0, number])).digest() for number in range(len(cipher) // 32)]
    plain = int.from_bytes(cipher, "big") ^ int.from_bytes(b"".join(blocks), "big")
    return plain.to_bytes(len(cipher), "big").decode().rstrip()


# ------------------------------------------------------------------------------------------------------ the questions


def test_every_lesson_has_its_questions():
    assert lessons() == LESSONS == [f"{number:02}" for number in range(11)]


@each_lesson
def test_the_lesson_shows_its_own_questions_below_a_heading_of_their_own(lesson):
    source = next(source for source in course.sources() if source.stem.startswith(lesson))
    cells = [cell.source for cell in jupytext.read(source).cells]
    calls = [f'viz.quiz("{lesson}")', f'quiz("{lesson}")']
    found = [number for number, cell in enumerate(cells) if cell in calls]
    assert len(found) == 1
    assert cells[found[0] - 1].split("\n\n")[-2] == "## Check yourself"
    assert not any('quiz("' in cell for number, cell in enumerate(cells) if number not in found)


@each_lesson
def test_the_questions_keep_to_the_rules_and_to_the_glossary(lesson):
    questions = read(lesson)
    assert [question.kind for question in questions] == MIX  # the same order in every lesson
    texts = [question.text for question in questions]
    texts += [text for question in questions for option in question.options for text in (option.text, option.why)]
    assert [finding for text in texts for finding in replaced(text)] == []
    assert all(question.text.endswith("?") for question in questions)
    for option in (option for question in questions for option in question.options):
        assert option.why[-1] in ".?"
        assert not option.text.endswith(".")
        assert len(option.why) <= 260, option.why


def test_no_explanation_serves_twice():
    whys = [option.why for lesson in LESSONS for question in read(lesson) for option in question.options]
    assert len(set(whys)) == len(whys)


def test_the_right_option_is_not_known_by_its_length_or_its_position():
    longest, shortest, positions = 0, 0, []
    for lesson in LESSONS:
        for question, shown in zip(read(lesson), quiz(lesson).scene["questions"], strict=True):
            right = next(option.text for option in question.options if option.right)
            others = [len(option.text) for option in question.options if not option.right]
            longest += len(right) > max(others)
            shortest += len(right) < min(others)
            positions.append(shown["options"].index(right))
    count = len(positions)  # by a guess about a quarter of them each
    assert longest <= 0.4 * count
    assert shortest <= 0.4 * count
    assert all(0.12 * count <= positions.count(position) <= 0.4 * count for position in range(4))


def right(lesson, kind):
    """The right option of the first question of a kind."""
    question = next(question for question in read(lesson) if question.kind == kind)
    return next(option.text for option in question.options if option.right)


def test_the_right_numbers_are_what_the_code_of_the_papers_computes():
    lstm = nn.LSTM(512, 128, bias=False)
    assert right("03", "number") == f"{sum(weight.numel() for weight in lstm.parameters()):,}"
    words, features = torch.rand(100, 512), torch.rand(28 * 28, 512)
    assert right("04", "number") == f"{vlad(features, words).numel():,}"
    assert right("06", "number") == f"{end_point_error(flow_of(3, 1), flow_of(0, -3)).item():g}"
    fused = weighted_fusion(torch.tensor([[2.0, -2.0]]), torch.tensor([[1.0, 3.0]]))[0].tolist()
    assert right("07", "number") == " and ".join(f"{score:g}" for score in fused)
    at = {cosine: torch.tensor([[cosine, math.sqrt(1 - cosine**2)]]) for cosine in (1.0, 0.8, 0.6)}
    assert right("08", "number") == f"{triplet_loss(at[1.0], at[0.8], at[0.6]).mean().item():.2g}"


def flow_of(dx, dy):
    return torch.tensor([float(dx), float(dy)])[:, None, None]


def test_the_right_predictions_are_what_the_code_of_the_papers_does():
    conv = ConvPooling((8, 3, 3), 4, 30, hidden=(16, 16), dropout=0.5).eval()
    clip = torch.rand(1, 30, 8, 3, 3)
    assert right("05", "prediction") == "Not at all"
    assert torch.equal(conv(clip), conv(torch.cat([clip, clip], dim=1)))
    assert right("06", "prediction").startswith("None")
    futures = torch.tensor([3.0, -3.0, 0.0])
    errors = {guess: (futures - guess).abs().mean().item() for guess in (3.0, 1.5, 0.0)}
    assert errors == {3.0: 3.0, 1.5: 2.5, 0.0: 2.0}  # as the explanations have them


def test_the_questions_are_packaged():
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert '"questions/*.toml"' in pyproject
    assert FOLDER.parent.name == "viz"


# ------------------------------------------------------------------------------------------------- what is in the page


@each_lesson
def test_the_page_gives_nothing_away_and_the_right_option_opens_its_explanation(lesson):
    questions, widget = read(lesson), quiz(lesson)
    page = widget.to_html()
    assert set(widget.scene) == {"title", "alt", "name", "rounds", "questions"}
    assert len({len(cipher) for shown in widget.scene["questions"] for cipher in shown["answers"].values()}) == 1
    for number, (question, shown) in enumerate(zip(questions, widget.scene["questions"], strict=True)):
        assert set(shown) == {"kind", "text", "options", "answers"}
        assert sorted(shown["options"]) == sorted(option.text for option in question.options)
        assert [*shown["answers"]] == sorted(shown["answers"])  # their order is no hint
        for option in question.options:
            assert json.dumps(option.why)[1:-1] not in page
            assert option.why not in page
            assert unlocked(widget.scene, number, option.text) == "-+"[option.right] + option.why


def test_the_same_questions_make_the_same_page():
    assert sums().to_html() == sums().to_html()
    assert sums(name="others").scene["questions"][0]["answers"] != sums().scene["questions"][0]["answers"]


def test_a_key_is_a_digest_taken_again_and_again():
    once = hashlib.sha256(hashlib.sha256(b"a.0\nyes").digest()).digest()
    assert keys("a.0", "yes", 1)[0] == hashlib.sha256(once + b"tag").hexdigest()[:16]
    assert keys("a.0", "yes", 1)[1] == hashlib.sha256(once + b"key").digest()
    assert keys("a.0", "yes")[0] != keys("a.1", "yes")[0]
    assert ROUNDS >= 1000


def test_what_is_chosen_is_checked_and_goes_into_the_page():
    widget = sums()
    widget.chosen = [0, -1, 2, 1, -1]
    assert state(widget) == {"scene": widget.scene, "chosen": [0, -1, 2, 1, -1]}
    for wrong in ([0], [3, 0, 0, 0, 0], [-2, 0, 0, 0, 0]):
        with pytest.raises(traitlets.TraitError, match="chosen must be"):
            widget.chosen = wrong


def test_no_words_end_the_script_and_none_may_be_missing():
    bad = "</script><b>&lt;"
    fragment = sums(title=bad, alt=bad, questions=[asked(), *map(asked, range(1, 4)), asked(4)]).to_html()
    assert bad not in fragment
    assert fragment.count("</script") == 2
    with pytest.raises(ValueError, match="needs a title and an alt text"):
        sums(alt=" ")


# ---------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Question("riddle", "?", asked().options), "kind must be one of"),
        (Question("number", " ", asked().options), "must have a text"),
        (Question("number", "?", [*asked().options[:2], Option("x", "", False)]), "must have a text"),
        (Question("number", "?", asked().options[:2]), "3 or 4 options, all different"),
        (Question("number", "?", asked().options[:2] * 2), "3 or 4 options, all different"),
        (asked(right=7), "must have one right option; got 0"),
        (Question("number", "?", [Option(text, "w", True) for text in "abc"]), "must have one right option; got 3"),
        (Question("number", "?", [*asked(right=9).options, Option("very long", "w", True)]), "by far the longest"),
    ],
)
def test_a_bad_question_is_named(question, message):
    with pytest.raises(ValueError, match=f"sums, question 2.*{message}"):
        sums(questions=[asked(), question, asked(), asked(), asked()])


def test_a_quiz_has_five_questions():
    with pytest.raises(ValueError, match="sums must have 5 questions; got 4"):
        sums(questions=[asked()] * 4)


def test_a_bad_file_is_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"lesson must be one of .*got '42': add labkit/viz/questions/42.toml"):
        quiz("42")
    monkeypatch.setitem(read.__globals__, "FOLDER", tmp_path)
    good = (FOLDER / "02.toml").read_text(encoding="utf-8")
    for change, message in (
        (('right = "27 %"', 'rigth = "27 %"'), r"question 2: an option must have .*'rigth'"),
        (('kind = "number"\n', ""), r"question 2 must have kind, text and option"),
        (('kind = "number"', 'kind = "control"'), "must have questions of the kinds"),
    ):
        assert change[0] in good
        (tmp_path / "02.toml").write_text(good.replace(*change), encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            read("02")


# ------------------------------------------------------------------------------------------------------- in a browser


def script():
    return (FOLDER.with_name("quiz.js")).read_text(encoding="utf-8").replace("export default ", "")


@pytest.mark.browser
def test_the_digests_of_the_script_are_those_of_hashlib(offline_page):
    offline_page.set_content("<p>")
    texts = ["", "abc", "é" * 27, *("x" * length for length in (55, 56, 63, 64, 65, 119, 120, 1000))]
    computed = offline_page.evaluate(
        f"texts => {{ {script()}\n return texts.map(text => hex(sha256(bytes(text)))); }}", texts
    )
    assert computed == [hashlib.sha256(text.encode()).hexdigest() for text in texts]


@pytest.mark.browser
def test_every_option_answers_and_says_why(offline_page):
    root = opened(offline_page, quiz("02"))
    live, forms = root.locator("[aria-live]"), root.locator("form")
    assert live.inner_text() == ""
    assert root.locator(".lz-why:visible").count() == 0
    for number, question in enumerate(read("02")):
        form = forms.nth(number)
        assert form.get_by_role("group", name=question.text).count() == 1  # the legend names the fieldset
        for option in sorted(question.options, key=lambda option: option.right):
            form.get_by_text(option.text, exact=True).click()
            verdict, sign = ("✓ Right.", "✓ right") if option.right else ("✗ Not this one.", "✗ not this one")
            assert form.locator(".lz-why").inner_text() == f"{verdict} {option.why}"
            assert form.get_by_role("radio", checked=True).count() == 1
            assert [text for text in form.locator(".lz-sign").all_inner_texts() if text] == [sign]
            assert live.inner_text().startswith(f"{verdict} {option.why} {number + 1} of 5 answered")
    assert root.locator(".lz-foot").inner_text().startswith("5 of 5 answered, 5 right")
    root.get_by_role("button", name="Start over").click()
    assert root.get_by_role("radio", checked=True).count() == 0
    assert root.locator(".lz-why:visible").count() == 0
    assert live.inner_text() == "All answers are cleared."
    assert offline_page.evaluate("document.activeElement === document.querySelector('input')")


@pytest.mark.browser
def test_arrow_keys_move_and_the_space_bar_answers_one_widget_alone(offline_page):
    root = opened(offline_page, sums(), sums(title="Another"))
    other = offline_page.locator(".labkit-quiz").nth(1)
    before = other.evaluate("e => e.outerHTML")
    radios = root.locator("input")
    assert [root.get_attribute(name) for name in ("role", "aria-label")] == ["group", "Sums. Five sums."]
    offline_page.keyboard.press("Tab")
    for number in range(COUNT):  # a single stop for each question
        offline_page.keyboard.press("Tab")
        assert radios.nth(3 * number).evaluate("e => e === document.activeElement")
        outline = "e => getComputedStyle(e.closest('label')).outlineStyle"
        assert radios.nth(3 * number).evaluate(outline) == "solid"
    radios.nth(0).focus()
    for key, at in (("ArrowDown", 1), ("ArrowRight", 2), ("ArrowDown", 0), ("ArrowUp", 2), ("ArrowLeft", 1)):
        offline_page.keyboard.press(key)
        assert radios.nth(at).evaluate("e => e === document.activeElement"), key
        assert root.get_by_role("radio", checked=True).count() == 0  # nothing is given away by passing
    offline_page.keyboard.press("Space")
    assert radios.nth(1).is_checked()
    assert "Because 0 + 1 é." in root.locator("[aria-live]").inner_text()
    offline_page.keyboard.press("ArrowDown")
    assert radios.nth(1).is_checked()
    offline_page.keyboard.press("Enter")
    assert radios.nth(2).is_checked()
    assert other.evaluate("e => e.outerHTML") == before
    offline_page.set_viewport_size({"width": 400, "height": 800})
    assert offline_page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.browser
def test_a_page_from_the_disk_remembers_answers_to_these_questions(offline_page, tmp_path):
    def show(widget, name):
        (tmp_path / name).write_text(f"<!doctype html><meta charset=utf-8>{widget.to_html()}", encoding="utf-8")
        offline_page.goto((tmp_path / name).as_uri())
        root = offline_page.locator(".labkit-quiz")
        root.wait_for()
        return root

    root = show(sums(), "sums.html")
    root.locator("form").nth(1).locator("input").nth(2).check()
    root = show(sums(), "sums.html")
    assert root.locator("form").nth(1).locator("input").nth(2).is_checked()
    assert root.locator(".lz-foot").inner_text().startswith("1 of 5 answered")
    assert root.locator("[aria-live]").inner_text() == ""  # nothing has happened
    root = show(sums(questions=[asked(number + 1) for number in range(COUNT)]), "sums.html")
    assert root.get_by_role("radio", checked=True).count() == 0  # other questions
    root = show(sums(), "sums.html")
    for bad in ("[99,0,0,0,0]", '["length",0,0,0,0]', "[0]", "{", "null"):
        offline_page.evaluate("bad => Object.keys(localStorage).forEach((key) => (localStorage[key] = bad))", bad)
        root = show(sums(), "sums.html")
        assert root.get_by_role("radio", checked=True).count() == 0, bad


@pytest.mark.browser
def test_nothing_moves_and_the_theme_is_followed(offline_page):
    root = opened(offline_page, sums())
    root.locator("input").nth(0).check()
    timing = "all => all.map(e => getComputedStyle(e).transitionDuration + getComputedStyle(e).animationName)"
    assert set(root.locator("*").evaluate_all(timing)) == {"0snone"}
    colour = "e => getComputedStyle(e).color"
    light = root.locator(".lz-why b").first.evaluate(colour)
    offline_page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    assert root.locator(".lz-why b").first.evaluate(colour) != light
