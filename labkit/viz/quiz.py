"""Quiz: five questions at the end of a lesson; every option answers with an explanation, with or without a kernel.

The questions of lesson 02 are in ``questions/02.toml`` beside this file: they travel with the package as the claims do,
are read in a diff, and are checked by `read`, which a cell of a notebook would not be. Anybody may read that file. The
page gives nothing away to those who read its source: it has the options in a random order, and for each an encrypted
explanation, whose key is a stretched digest of the option itself. Only an option that is chosen opens its explanation,
which begins with whether it is right. (A program could try all options. This is a courtesy, not a secret.)
"""

import base64
import hashlib
import random
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import traitlets

from labkit.viz.widget import PageWidget

FOLDER = Path(__file__).with_name("questions")
COUNT = 5
KINDS = {"prediction": "Prediction", "number": "Number", "control": "Missing control", "figure": "Reading a figure"}
MIX = ["prediction", "number", "control", "figure", "figure"]  # of a lesson
ROUNDS = 2000  # of SHA-256 from an option to its key
RIGHT, WRONG = "+", "-"  # first character of what is encrypted
BLOCK = 64  # bytes: explanations are filled up to a multiple, the longest of a quiz decides


@dataclass(frozen=True)
class Option:
    """An answer to choose.

    Attributes:
        text: what is to be chosen.
        why: shown as soon as it is: why it is right, or what is wrong with it.
        right: whether it is right.
    """

    text: str
    why: str
    right: bool


@dataclass(frozen=True)
class Question:
    """A question with its options, of which one is right.

    Attributes:
        kind: one of `KINDS`.
        text: the question.
        options: 3 or 4 of them.
    """

    kind: str
    text: str
    options: Sequence[Option]


class Quiz(PageWidget, kind="quiz"):
    """Shows questions as radio buttons; what is chosen is explained immediately, and may be chosen again.

    The arrow keys move within a question, the space bar or Enter answers it. The browser remembers the answers, if it
    is allowed to.

    Attributes:
        chosen: for each question the option that is chosen, in the order of the page; -1 for none.
    """

    chosen = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(self, questions: Sequence[Question], *, name: str, title: str, alt: str) -> None:
        """Shuffle the options, the same way each time, and encrypt what explains them.

        Args:
            questions: `COUNT` of them.
            name: of the quiz; the browser keeps its answers by it.
            title: heading of the quiz.
            alt: what it is about, in a sentence.

        Raises:
            ValueError: a question that `check` does not accept, no title or no alt text.
        """
        check(questions, name)
        ends = [option.why for question in questions for option in question.options]
        size = -(-max(len(why.encode()) + 1 for why in ends) // BLOCK) * BLOCK
        scene = {
            "title": title,
            "alt": alt,
            "name": name,
            "rounds": ROUNDS,
            "questions": [_locked(question, f"{name}.{at}", size) for at, question in enumerate(questions)],
        }
        super().__init__(scene, chosen=[-1] * len(questions))

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: Any) -> list[int]:
        counts = [len(question["options"]) for question in self.scene["questions"]]
        value: list[int] = proposal["value"]
        if len(value) != len(counts) or any(not -1 <= at < count for at, count in zip(value, counts, strict=True)):
            raise traitlets.TraitError(f"chosen must be an option, from 0, or -1 for each question; got {value}")
        return value


def quiz(lesson: str) -> Quiz:
    """The questions of a lesson, ``quiz("02")``.

    Raises:
        ValueError: there are none, or they break a rule of `check`.
    """
    alt = "Five questions with three or four options each. An option that is chosen is explained below its question."
    return Quiz(read(lesson), name=f"lesson {lesson}", title="Five questions", alt=alt)


def lessons() -> list[str]:
    """The lessons that have questions, by number."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(lesson: str) -> list[Question]:
    """Read and check the questions of a lesson.

    Raises:
        ValueError: no such file, what is no question, a mix other than `MIX`, or what `check` does not accept.
    """
    if lesson not in lessons():
        raise ValueError(f"lesson must be one of {lessons()}; got {lesson!r}: add labkit/viz/questions/{lesson}.toml")
    content = tomllib.loads((FOLDER / f"{lesson}.toml").read_text(encoding="utf-8"))
    questions = [_question(entry, f"{lesson}.toml, question {at}") for at, entry in enumerate(content["question"], 1)]
    check(questions, f"{lesson}.toml")
    if sorted(question.kind for question in questions) != sorted(MIX):
        raise ValueError(f"{lesson}.toml must have questions of the kinds {MIX}; got {[q.kind for q in questions]}")
    return questions


def check(questions: Sequence[Question], name: str) -> None:
    """Refuse a quiz that could not be answered, or that gives itself away.

    Raises:
        ValueError: not `COUNT` questions, an unknown kind, not 3 or 4 options, not exactly one right one, options that
            are equal, an option or a question without words, or a right option more than half as long again as every
            other one.
    """
    if len(questions) != COUNT:
        raise ValueError(f"{name} must have {COUNT} questions; got {len(questions)}")
    for number, question in enumerate(questions, 1):
        where, options = f"{name}, question {number}", question.options
        right = [option for option in options if option.right]
        if question.kind not in KINDS:
            raise ValueError(f"{where}: kind must be one of {list(KINDS)}; got {question.kind!r}")
        if not 3 <= len(options) <= 4 or len({option.text for option in options}) < len(options):
            raise ValueError(f"{where} must have 3 or 4 options, all different; got {[one.text for one in options]}")
        if len(right) != 1:
            raise ValueError(f"{where} must have one right option; got {len(right)}")
        if not all(text.strip() for text in (question.text, *(text for o in options for text in (o.text, o.why)))):
            raise ValueError(f"{where} must have a text, and every option a text and a why; got an empty one")
        if len(right[0].text) > 1.5 * max(len(option.text) for option in options if not option.right):
            raise ValueError(f"{where}: the right option is by far the longest: shorten it, or say more in the others")


def _question(entry: dict[str, Any], where: str) -> Question:
    options = []
    for option in entry.get("option", ()):
        if set(option) not in ({"right", "why"}, {"wrong", "why"}):
            raise ValueError(f'{where}: an option must have "right" or "wrong", and "why"; got {sorted(option)}')
        right = "right" in option
        options.append(Option(option["right" if right else "wrong"], option["why"], right))
    if {*entry} != {"kind", "text", "option"}:
        raise ValueError(f"{where} must have kind, text and option; got {sorted(entry)}")
    return Question(entry["kind"], entry["text"], options)


def _locked(question: Question, name: str, size: int) -> dict[str, Any]:
    """A question for the page: its options in another order, what explains them by digest, encrypted."""
    options = list(question.options)
    random.Random(f"{name} {question.text}").shuffle(options)
    answers = dict(sorted(_sealed(option, name, size) for option in options))  # in the order of digests
    kind = KINDS[question.kind]
    return {"kind": kind, "text": question.text, "options": [option.text for option in options], "answers": answers}


def _sealed(option: Option, name: str, size: int) -> tuple[str, str]:
    tag, key = keys(name, option.text)
    plain = ((RIGHT if option.right else WRONG) + option.why).encode().ljust(size)
    stream = b"".join(_blocks(key, size))
    return tag, base64.b64encode(bytes(a ^ b for a, b in zip(plain, stream[:size], strict=True))).decode()


def keys(name: str, text: str, rounds: int = ROUNDS) -> tuple[str, bytes]:
    """What finds the explanation of an option, 16 hexadecimal digits, and what decrypts it, 32 bytes.

    Args:
        name: of the quiz and the question.
        text: of the option.
        rounds: how often the digest is taken again.
    """
    root = hashlib.sha256(f"{name}\n{text}".encode()).digest()
    for _ in range(rounds):
        root = hashlib.sha256(root).digest()
    return hashlib.sha256(root + b"tag").hexdigest()[:16], hashlib.sha256(root + b"key").digest()


def _blocks(key: bytes, size: int) -> Iterable[bytes]:
    for counter in range(-(-size // 32)):
        yield hashlib.sha256(key + counter.to_bytes(4, "big")).digest()
