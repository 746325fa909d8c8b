"""Words as vectors: from files in the text format of word2vec, or the lab's own, made of definitions.

The format: a header ``1000 300``, then a word and its numbers a line. The lab's own vectors are for the classes of its
world. Nothing is learned from a library of books: every class has a definition, a few plain words below, and words that
share definitions get similar vectors, as words that share sentences do in word2vec. So *hug* lies near *kiss* and far
from *ski*, and both words of *high five* have vectors of their own.

These vectors are the left singular vectors of the matrix of positive pointwise mutual information between words, scaled
by the roots of their singular values: what word2vec's skip-gram does in the limit, see Levy and Goldberg, "Neural word
embedding as implicit matrix factorization", NIPS 2014, sections 3 and 5.
"""

import codecs
import math
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import torch
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


def read_word_vectors(path: str | Path, only: Collection[str] | None = None) -> dict[str, Tensor]:
    """Read word vectors, all of the file or some words of it.

    Files from the web are seldom clean. A word that is not valid UTF-8 is read as Latin-1, byte by byte: right in files
    that are Latin-1, harmless where a character was cut in two. If a file has a word in both encodings, the vector in
    UTF-8 stands.

    Args:
        path: text, one word a line; lines may end as in DOS.
        only: words to keep, for files of millions. The lines of all other words are counted, but not read: whatever is
            wrong with them does no harm. Words that are not there are left out silently.

    Returns:
        Float32 ``(e,)`` by word, in the order of the file, as they are: not brought to unit length.

    Raises:
        FileNotFoundError: no such file.
        WordVectorsError: no header, another number of lines than it promises, or the binary format of word2vec; of a
            word that is wanted, another number of dimensions, a number that is none or not finite, or a second line.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a file of word vectors; got no such file: check the path")
    wanted = None if only is None else {*only}
    spelt: dict[str, bytes] = {}  # the bytes of each word that is kept
    kept: dict[str, Tensor] = {}
    lines = 0
    with path.open("rb") as file:
        count, dim = _header(path, file.readline())
        for number, line in enumerate(tqdm(file, total=count, unit="word", delay=2), start=2):
            parts = line.rstrip(b" \r\n").split(b" ")
            if parts == [b""]:
                continue
            if number == 2 and any(byte < ord(" ") for byte in b"".join(parts) if byte != ord("\t")):
                raise WordVectorsError(
                    f"{path}: expected text; got bytes that are none behind the header: the binary format of word2vec "
                    "is another one, convert it"
                )
            lines += 1
            word, is_utf8 = _decoded(parts[0])
            if wanted is not None and word not in wanted:
                continue
            if spelt.get(word) == parts[0]:
                raise WordVectorsError(
                    f"{path}, line {number}: expected every word once; got {word!r} again: remove one of them"
                )
            if len(parts) != dim + 1:
                raise WordVectorsError(
                    f"{path}, line {number}: expected a word and {dim} numbers, as the header says; got "
                    f"{len(parts) - 1} after {word!r}: the file is cut short, or its header is another's"
                )
            if word not in kept or is_utf8:
                spelt[word] = parts[0]
                kept[word] = torch.tensor(_numbers(path, number, word, parts[1:]))  # (dim,)
    if lines != count:
        raise WordVectorsError(
            f"{path}: expected {count} words, as the header says; got {lines}: "
            + ("the file is cut short" if lines < count else "its header is another's")
        )
    return kept


def own_word_vectors(dim: int = 16) -> dict[str, Tensor]:
    """The lab's own vectors, of all words of `DEFINITIONS`, ``(dim,)`` float32 of unit length, always the same ones.

    For `labkit.papers.attention_transfer.mean_of_words` and its like.

    Args:
        dim: at most 24.

    Raises:
        ValueError: another number of dimensions.
    """
    if not 1 <= dim <= 24:
        raise ValueError(f"dim must be 1 to 24; got {dim}: there are {len(DEFINITIONS)} definitions")
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


def _numbers(path: Path, number: int, word: str, parts: list[bytes]) -> list[float]:
    values = []
    for part in parts:
        try:
            value = float(part)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise WordVectorsError(
                f"{path}, line {number}: expected finite numbers after {word!r}; got {part.decode('latin-1')!r}: "
                "get the file again"
            )
        values.append(value)
    return values
