"""Words as vectors: from files in the text format of word2vec, or the lab's own, made of definitions.

The format: a header ``1000 300``, then a word and its numbers a line. The lab's own vectors are for the classes of its
world. Nothing is learned from a library of books: every class has a definition, a few plain words below, and words that
share definitions get similar vectors, as words that share sentences do in word2vec. So *hug* lies near *kiss* and far
from *ski*, and both words of *high five* have vectors of their own.

These vectors are the left singular vectors of the matrix of positive pointwise mutual information between words, scaled
by the roots of their singular values: what word2vec's skip-gram does in the limit, see Levy and Goldberg, "Neural word
embedding as implicit matrix factorization", NIPS 2014, sections 3 and 5.
"""

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
    """Read word vectors, all of the file or some words of it; every line of it is looked at.

    Args:
        path: UTF-8 text; lines may end as in DOS.
        only: words to keep, for files of millions; those that are not there are left out silently.

    Returns:
        Float32 ``(e,)`` by word, in the order of the file, as they are: not brought to unit length.

    Raises:
        FileNotFoundError: no such file.
        WordVectorsError: no header, another number of words or of dimensions than it promises, a number that is none or
            not finite, or a word that comes twice.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a file of word vectors; got no such file: check the path")
    wanted = None if only is None else {*only}
    seen: set[str] = set()
    kept: dict[str, Tensor] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            count, dim = _header(path, file.readline())
            for number, line in enumerate(tqdm(file, total=count, unit="word", delay=2), start=2):
                parts = line.rstrip(" \r\n").split(" ")
                if parts == [""]:
                    continue
                if len(parts) != dim + 1:
                    raise WordVectorsError(
                        f"{path}, line {number}: expected a word and {dim} numbers, as the header says; got "
                        f"{len(parts) - 1} after {parts[0]!r}: the file is cut short, or its header is another's"
                    )
                word = parts[0]
                if word in seen:
                    raise WordVectorsError(
                        f"{path}, line {number}: expected every word once; got {word!r} again: remove one of them"
                    )
                seen.add(word)
                values = _numbers(path, number, parts)
                if wanted is None or word in wanted:
                    kept[word] = torch.tensor(values)
    except UnicodeDecodeError as error:
        raise WordVectorsError(
            f"{path}: expected text in UTF-8; got {error}: the binary format of word2vec is another one, convert it"
        ) from None
    if len(seen) != count:
        raise WordVectorsError(
            f"{path}: expected {count} words, as the header says; got {len(seen)}: "
            + ("the file is cut short" if len(seen) < count else "its header is another's")
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


def _header(path: Path, line: str) -> tuple[int, int]:
    parts = line.split()
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise WordVectorsError(
            f"{path}, line 1: expected the number of words and of dimensions, such as 1000 300; got {line[:40]!r}: "
            "GloVe's files lack this line, add it"
        )
    return int(parts[0]), int(parts[1])


def _numbers(path: Path, number: int, parts: list[str]) -> list[float]:
    try:
        values = [float(part) for part in parts[1:]]
        if all(map(math.isfinite, values)):
            return values
        wrong = next(part for part, value in zip(parts[1:], values, strict=True) if not math.isfinite(value))
    except ValueError as error:
        wrong = str(error).rpartition(": ")[2].strip("'")
    raise WordVectorsError(
        f"{path}, line {number}: expected finite numbers after {parts[0]!r}; got {wrong!r}: get the file again"
    )
