"""Words as vectors: from files of word2vec, or the lab's own, made of definitions; and concepts as the words in them.

A file starts with a line such as ``1000 300``, words and dimensions; then comes each word with its vector, as text, a
line each, or in binary, as the vectors of Google News are. The lab's own vectors are for the classes of its world.
Nothing is learned from a library of books: every class has a definition, a few plain words below, and words that share
definitions get similar vectors, as words that share sentences do in word2vec. So *hug* lies near *kiss* and far from
*ski*, and both words of *high five* have vectors of their own.

These vectors are the left singular vectors of the matrix of positive pointwise mutual information between words, scaled
by the roots of their singular values: what word2vec's skip-gram does in the limit, see Levy and Goldberg, "Neural word
embedding as implicit matrix factorization", NIPS 2014, sections 3 and 5.
"""

import codecs
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

DEFINITIONS: Mapping[str, str] = {
    # two puppets
    "handshake": "two people meet stand face hand arm reach clasp touch low",
    "high_five": "two people meet stand face hand arm raise touch clap above head",
    "hug": "two people meet close face arm body around hold touch chest",
    "kiss": "two people meet close face head lips touch lean",
    # with things
    "hammer": "one person arm raise strike tool hand workbench nail workshop wood",
    "chop": "one person arm raise strike tool axe hand log forest wood",
    "guitar": "one person both hand hold strings music instrument stage body",
    "broom": "one person both hand hold sweep stick floor kitchen body",
    "ski": "one person stand glide leg knee snow winter two boards",
    "skateboard": "one person stand glide leg knee street one board wheels",
    "dribble": "one person hand ball bounce floor gym sport",
    "throw": "one person arm swing ball fly away beach sport",
    "drink": "one person hand cup mouth lift face",
    "sword": "one person arm swing strike blade hand",
    # motion alone
    "wave": "one person hand arm raise side greet",
    "clap": "one person both hand together touch chest sound",
    "jump": "one person leg knee bend body fly above floor",
    "squat": "one person leg knee bend body low down",
    "kick": "one person leg foot swing strike sport",
    "march": "one person leg knee lift step walk",
    "windmill": "one person both arm swing around circle",
    "walk_left": "one person leg step move side left way",
    "walk_right": "one person leg step move side right way",
    # there and back
    "sit_down": "one person chair knee bend body low down rest",
    "stand_up": "one person chair knee straight body rise up leave",
    "open_arms": "one person both arm spread apart wide side",
    "close_arms": "one person both arm together front chest shut",
    "pick_up": "one person both hand parcel floor bend lift up carry",
    "put_down": "one person both hand parcel floor bend lower down leave",
}
"""What the classes are, by name; the words of the name count as part of it."""


class WordVectorsError(ValueError):
    """A file of word vectors that is not as it should be; the message names the line, what was expected, what came."""


def words_of(concept: str) -> list[str]:
    """The words of a concept: ``high_five``, ``highFive`` and ``high five`` are all ["high", "five"]."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", concept)]


def vectors_of(concept: str, words: Mapping[str, Tensor]) -> Tensor:
    """The vectors ``(n, e)`` of the words of a concept; a word without one, such as *and*, is left out.

    Raises:
        ValueError: none of the words has a vector.
    """
    vectors = [words[word] for word in words_of(concept) if word in words]
    if not vectors:
        raise ValueError(
            f"every concept must have a word with a vector; got none for {concept!r}: pass words that have one, or "
            "write the concept with other words, such as shaking hands"
        )
    return torch.stack(vectors)


def mean_of_words(concepts: Sequence[str], words: Mapping[str, Tensor]) -> Tensor:
    """Concepts as vectors ``(K, e)``: the mean of the vectors of the words of each, of unit length."""
    return F.normalize(torch.stack([vectors_of(concept, words).mean(0) for concept in concepts]))


def read_word_vectors(path: str | Path, only: Collection[str] | None = None, sample: int = 0) -> dict[str, Tensor]:
    """Read word vectors, all of the file or some words of it.

    Files from the web are seldom clean. A word that is not valid UTF-8 is read as Latin-1, byte by byte: right in files
    that are Latin-1, harmless where a character was cut in two. If a file has a word in both encodings, the vector in
    UTF-8 stands.

    Args:
        path: text or binary; lines may end as in DOS.
        only: words to keep, for files of millions. All other words are counted, but not read: whatever is wrong with
            them does no harm. Words that are not there are left out silently.
        sample: with ``only``, about so many other words are kept as well, at equal distances in the file: they stand
            for the whole vocabulary. One with something wrong is left out.

    Returns:
        Float32 ``(e,)`` by word, in the order of the file, as they are: not brought to unit length.

    Raises:
        FileNotFoundError: no such file.
        WordVectorsError: no header, or another number of words than it promises; of a word that is wanted, another
            number of dimensions, a number that is none or not finite, or a second entry.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a file of word vectors; got no such file: check the path")
    wanted = None if only is None else {*only}
    spelt: dict[str, bytes] = {}  # the bytes of each word that is kept
    kept: dict[str, Tensor] = {}
    entries = 0
    with path.open("rb") as file:
        count, dim = _header(path, file.readline())
        start = file.peek(1024)[:1024]
        is_binary = any(byte < ord(" ") and byte not in b"\t\r\n" for byte in start)
        read, every = (_read_binary, _read_text)[not is_binary], max(count // max(sample, 1), 1)
        for place, spelling, numbers in tqdm(read(path, file, dim), total=count, unit="word", delay=2):
            entries += 1
            word, is_utf8 = _decoded(spelling)
            asked = wanted is None or word in wanted
            if not asked and not (sample and entries % every == 0):
                continue
            if asked and spelt.get(word) == spelling:
                raise WordVectorsError(f"{place}: expected every word once; got {word!r} again: remove one of them")
            try:
                vector = _vector(place, word, numbers, dim)
            except WordVectorsError:
                if asked:
                    raise
                continue
            if word not in kept or is_utf8:
                spelt[word], kept[word] = spelling, vector
    if entries != count:
        raise WordVectorsError(
            f"{path}: expected {count} words, as the header says; got {entries}: "
            + ("the file is cut short" if entries < count else "its header is another's")
        )
    return kept


def own_word_vectors() -> dict[str, Tensor]:
    """The lab's own vectors, of all words of `DEFINITIONS`, ``(16,)`` float32 of unit length, always the same ones."""
    dim = 16  # there are twice as many definitions
    sentences = [{*name.split("_"), *text.split()} for name, text in DEFINITIONS.items()]
    words = sorted(set().union(*sentences))
    there = np.array([[float(word in sentence) for word in words] for sentence in sentences])  # (definitions, words)
    together = there.T @ there  # (words, words), in how many definitions both occur
    alone = there.sum(0)
    with np.errstate(divide="ignore"):
        information = np.log(together * len(sentences) / np.outer(alone, alone))
    left, size, _ = np.linalg.svd(np.maximum(information, 0))
    vectors = left[:, :dim] * np.sqrt(size[:dim])  # (words, dim)
    vectors *= np.sign(vectors[np.abs(vectors).argmax(0), np.arange(dim)])  # an axis may come with either sign
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return dict(zip(words, torch.from_numpy(vectors).float(), strict=True))


def _decoded(word: bytes) -> tuple[str, bool]:
    """A word, and whether it is UTF-8; if not, it is read as Latin-1, in which every byte is a character."""
    try:
        return word.decode("utf-8"), True
    except UnicodeDecodeError:
        return word.decode("latin-1"), False


def _header(path: Path, line: bytes) -> tuple[int, int]:
    text = line.removeprefix(codecs.BOM_UTF8).decode("latin-1")
    parts = text.split()
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise WordVectorsError(
            f"{path}, line 1: expected the number of words and of dimensions, such as 1000 300; got {text[:40]!r}: "
            "GloVe's files lack this line, add it"
        )
    return int(parts[0]), int(parts[1])


Entry = tuple[str, bytes, list[bytes] | bytes]  # where it stands, the word, its numbers as text or as float32


def _read_text(path: Path, file: IO[bytes], dim: int) -> Iterator[Entry]:
    for number, line in enumerate(file, start=2):
        parts = line.rstrip(b" \r\n").split(b" ")
        if parts != [b""]:
            yield f"{path}, line {number}", parts[0], parts[1:]


def _read_binary(path: Path, file: IO[bytes], dim: int) -> Iterator[Entry]:
    number, byte = 0, file.read(1)
    while byte:
        word, number = bytearray(), number + 1
        while byte not in (b" ", b""):
            word += byte
            byte = file.read(1)
        yield f"{path}, word {number}", bytes(word), file.read(4 * dim)
        while (byte := file.read(1)) == b"\n":  # some files have line ends between the words
            pass


def _vector(place: str, word: str, numbers: list[bytes] | bytes, dim: int) -> Tensor:
    """The numbers of a word ``(dim,)``, checked."""
    length = len(numbers) // 4 if isinstance(numbers, bytes) else len(numbers)
    if length != dim:
        raise WordVectorsError(
            f"{place}: expected a word and {dim} numbers, as the header says; got {length} after {word!r}: the file is "
            "cut short, or its header is another's"
        )
    if isinstance(numbers, bytes):
        values = np.frombuffer(numbers, dtype="<f4").astype(np.float32)
    else:
        values = np.array([_number(number) for number in numbers], dtype=np.float32)
    if not np.isfinite(values).all():
        wrong = int((~np.isfinite(values)).argmax())
        got = values[wrong] if isinstance(numbers, bytes) else numbers[wrong].decode("latin-1")
        raise WordVectorsError(f"{place}: expected finite numbers after {word!r}; got '{got}': get the file again")
    return torch.from_numpy(values)


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
