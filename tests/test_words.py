import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from labkit import world
from labkit.words import (
    DEFINITIONS,
    WordVectorsError,
    mean_of_words,
    own_word_vectors,
    read_word_vectors,
    vectors_of,
    words_of,
)

GOOD = "3 2\nhug 0.5 -1\nkiss 1e-1 2\ndog 0 3.25\n"


def write(path, text):
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("text", [GOOD, GOOD.replace("\n", "\r\n"), GOOD.replace("\n", " \n"), GOOD + "\n", GOOD[:-1]])
def test_a_file_by_hand(tmp_path, text):
    words = read_word_vectors(write(tmp_path / "words.txt", text))
    assert list(words) == ["hug", "kiss", "dog"]
    assert {word: vector.tolist() for word, vector in words.items()} == {
        "hug": [0.5, -1],
        "kiss": [pytest.approx(0.1), 2],
        "dog": [0, 3.25],
    }
    assert words["dog"].dtype == torch.float32
    assert list(read_word_vectors(tmp_path / "words.txt", only={"kiss", "cat"})) == ["kiss"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("3 2\n", "", "line 1: expected the number of words and of dimensions, .* got 'hug 0.5 -1"),
        ("3 2", "4 2", "expected 4 words, as the header says; got 3: the file is cut short"),
        ("3 2", "2 2", "expected 2 words, as the header says; got 3: its header is another's"),
        ("3 2", "3 3", "line 2: expected a word and 3 numbers, as the header says; got 2 after 'hug'"),
        (" 3.25\n", "", "line 4: expected a word and 2 numbers, as the header says; got 1 after 'dog'"),
        ("1e-1", "nan", "line 3: expected finite numbers after 'kiss'; got 'nan'"),
        ("1e-1", "x", "line 3: expected finite numbers after 'kiss'; got 'x'"),
        ("dog", "hug", "line 4: expected every word once; got 'hug' again"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, message):
    assert GOOD.count(old) == 1
    path = write(tmp_path / "words.txt", GOOD.replace(old, new))
    with pytest.raises(WordVectorsError, match=f"words.txt.*{message}"):
        read_word_vectors(path)


@pytest.mark.parametrize(
    "line", [b"k\xffss 1 2", b"kiss \xe9 2", b"kiss 1", b"at the end 1 2", b"kiss nan 2", b"hug 1 2"]
)
def test_a_bad_line_of_a_word_that_is_not_wanted_does_no_harm(tmp_path, line):
    (tmp_path / "words.txt").write_bytes(b"3 2\nhug 0.5 -1\n" + line + b"\ndog 0 3.25\n")
    words = read_word_vectors(tmp_path / "words.txt", only={"dog"})
    assert {word: vector.tolist() for word, vector in words.items()} == {"dog": [0, 3.25]}
    with pytest.raises(WordVectorsError, match=r"expected 3 words, .* got 2"):  # lines are counted all the same
        read_word_vectors(write(tmp_path / "short.txt", "3 2\nhug 0.5 -1\ndog 0 3.25\n"), only={"dog"})


def test_latin_1_and_broken_bytes_are_read(tmp_path):
    lines = ["caf\u00e9 1 2".encode("latin-1"), b"br\xc3oken 3 4", "\u017elu\u0165 5 6".encode()]
    (tmp_path / "words.txt").write_bytes(b"3 2\n" + b"\n".join(lines) + b"\n")
    words = read_word_vectors(tmp_path / "words.txt")
    assert {word: vector.tolist() for word, vector in words.items()} == {
        "caf\u00e9": [1, 2],
        "br\u00c3oken": [3, 4],
        "\u017elu\u0165": [5, 6],
    }
    assert list(read_word_vectors(tmp_path / "words.txt", only={"caf\u00e9"})) == ["caf\u00e9"]


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_word_in_both_encodings_that_in_utf_8_stands(tmp_path, order):
    lines = ["caf\u00e9 1 2".encode("latin-1"), "caf\u00e9 3 4".encode()][::order]
    (tmp_path / "words.txt").write_bytes(b"2 2\n" + b"\n".join(lines))
    assert read_word_vectors(tmp_path / "words.txt")["caf\u00e9"].tolist() == [3, 4]


def test_other_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="got no such file"):
        read_word_vectors(tmp_path / "none.txt")


def binary(words, end=b"\n"):
    """A file of word2vec in its binary format."""
    entries = [word.encode() + b" " + np.array(vector, dtype="<f4").tobytes() + end for word, vector in words.items()]
    return f"{len(words)} {len(next(iter(words.values())))}\n".encode() + b"".join(entries)


VECTORS = {"hug": [0.5, -1], "in": [10.0, 1e-3], "kiss": [0.1, 2], "dog": [0, 3.25]}


@pytest.mark.parametrize("end", [b"\n", b""])
def test_the_binary_format_is_read(tmp_path, end):
    (tmp_path / "words.bin").write_bytes(binary(VECTORS, end))
    words = read_word_vectors(tmp_path / "words.bin")
    assert {word: vector.tolist() for word, vector in words.items()} == {
        word: pytest.approx(vector) for word, vector in VECTORS.items()
    }
    assert list(read_word_vectors(tmp_path / "words.bin", only={"dog"})) == ["dog"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            binary(VECTORS)[:-3],
            "word 4: expected a word and 2 numbers, as the header says; got 1 after 'dog': the file",
        ),
        (binary(VECTORS).replace(b"4 2\n", b"5 2\n"), "expected 5 words, as the header says; got 4: the file is cut"),
        (binary({**VECTORS, "dog": [math.nan, 1]}), "word 4: expected finite numbers after 'dog'; got 'nan'"),
    ],
)
def test_what_is_wrong_with_a_binary_file_is_named(tmp_path, content, message):
    (tmp_path / "words.bin").write_bytes(content)
    with pytest.raises(WordVectorsError, match=f"words.bin.*{message}"):
        read_word_vectors(tmp_path / "words.bin")


@pytest.mark.parametrize("is_binary", [False, True])
def test_a_sample_of_the_other_words_is_kept(tmp_path, is_binary):
    many = {f"w{number}": [float(number), 1.0] for number in range(1, 1001)}
    text = "1000 2\n" + "\n".join(f"{word} {vector[0]} {vector[1]}" for word, vector in many.items())
    path = tmp_path / "words"
    path.write_bytes(binary(many) if is_binary else text.replace("w300 300.0", "w300 x").encode())
    words = read_word_vectors(path, only={"w7"}, sample=10)
    sampled = [f"w{number}" for number in range(100, 1001, 100) if is_binary or number != 300]
    assert list(words) == ["w7", *sampled]  # of those that nobody asked for, one with something wrong is left out
    assert words["w200"].tolist() == [200, 1]


def test_the_own_vectors_know_what_has_to_do_with_what():
    words = own_word_vectors()
    named = {word for name in DEFINITIONS for word in name.split("_")}
    assert named <= words.keys()
    stacked = torch.stack(list(words.values()))
    torch.testing.assert_close(stacked.norm(dim=1), torch.ones(len(words)))

    def alike(one, other):
        return float(words[one] @ words[other])

    assert min(alike("hug", "kiss"), alike("handshake", "hug")) > 0.2 > alike("hug", "ski")
    assert alike("hammer", "chop") > alike("hammer", "guitar")
    assert alike("sit", "stand") > alike("sit", "chop")
    again = own_word_vectors()
    assert all(torch.equal(again[word], vector) for word, vector in words.items())
    assert words["hug"].shape == (16,)


def test_every_class_of_the_world_has_a_definition():
    sets = (world.Actions, world.SecondActions, world.Interactions)
    assert {action.name for some in sets for action in some.actions} == {*DEFINITIONS}


@pytest.mark.parametrize(
    ("concept", "words"),
    [
        ("high_five", ["high", "five"]),
        ("highFive", ["high", "five"]),
        ("WalkingWithDog", ["walking", "with", "dog"]),
        ("shaking hands", ["shaking", "hands"]),
    ],
)
def test_words_of_concepts(concept, words):
    assert words_of(concept) == words


def test_concepts_are_the_words_that_have_vectors():
    words = {"high": torch.tensor([1.0, 0.0]), "five": torch.tensor([0.0, 1.0]), "hug": torch.tensor([0.0, -2.0])}
    assert torch.equal(vectors_of("five_and_high", words), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    means = mean_of_words(["high_five", "hug"], words)
    torch.testing.assert_close(means, torch.tensor([[math.sqrt(0.5), math.sqrt(0.5)], [0.0, -1.0]]))
    for concept in ("kick", "!"):
        with pytest.raises(ValueError, match=f"every concept must have a word with a vector; got none for '{concept}'"):
            mean_of_words([concept], words)


@pytest.mark.skipif("LABKIT_REAL_DATA" not in os.environ, reason="set LABKIT_REAL_DATA to a folder with words")
def test_real_vectors():
    path = Path(os.environ["LABKIT_REAL_DATA"], "words/word2vec_1000x300.txt")
    words = read_word_vectors(path)
    assert len(words) == 1000
    stacked = torch.stack(list(words.values()))
    assert stacked.shape == (1000, 300)
    torch.testing.assert_close(stacked.norm(dim=1), torch.ones(1000), atol=1e-3, rtol=0)
    nearest = (stacked @ words["man"]).argsort(descending=True)[1:6].tolist()
    assert "woman" in [list(words)[number] for number in nearest]
    close = mean_of_words(["man", "woman", "high five"], words)
    assert close[0] @ close[1] > close[0] @ close[2]
