import json
import math
import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from labkit.teaching import exchange
from labkit.teaching.exchange import ExchangeError, pack, read_file, unpack


def there_and_back(value, folder):
    pack(value, folder, "v")
    return unpack(folder, "v")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -3,
        2**70,
        0.1,
        -math.inf,
        "tensor",
        "é 李\n\0",
        [],
        (1, (2,)),
        [1, [2.5, "x"], None],
        {"tensor": 1, "dict": {"float": "nan"}, "": ()},
    ],
    ids=str,
)
def test_plain_values_arrive_as_they_were(value, tmp_path):
    back = there_and_back(value, tmp_path)
    assert back == value
    assert type(back) is type(value)


def test_nan_arrives(tmp_path):
    assert math.isnan(there_and_back([math.nan], tmp_path)[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool])
def test_tensors_arrive_in_their_kind(dtype, tmp_path):
    tensor = torch.arange(6).reshape(2, 3).to(dtype)
    back = there_and_back({"t": tensor, "again": (tensor, tensor[:, :0], tensor[0, 0])}, tmp_path)
    assert back["t"].dtype == dtype
    assert torch.equal(back["t"], tensor)
    assert back["again"][1].shape == (2, 0)
    assert back["again"][2].shape == ()


def test_unusual_tensors_arrive_as_plain_ones(tmp_path):
    wide = torch.arange(6.0, requires_grad=True).reshape(2, 3).T
    back = there_and_back([wide, torch.eye(3).to_sparse(), torch.ones(1).expand(4)], tmp_path)
    assert torch.equal(back[0], wide.detach())
    assert torch.equal(back[1], torch.eye(3))
    assert torch.equal(back[2], torch.ones(4))
    assert not any(tensor.requires_grad for tensor in back)


def test_arrays_arrive_as_tensors(tmp_path):
    back = there_and_back([np.arange(4)[::-1], np.float32(0.5), np.int64(7), np.array(2.0)], tmp_path)
    assert torch.equal(back[0], torch.tensor([3, 2, 1, 0]))
    assert back[1:3] == [0.5, 7]
    assert back[3].shape == ()


def test_halves_of_characters_become_question_marks(tmp_path):
    assert there_and_back("a\ud800", tmp_path) == "a?"


def circle():
    circle = []
    circle.append(circle)
    return circle


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (lambda: 1, "a number, text, tensor, or a list, tuple or dict of these was expected; got function"),
        ([..., 1], "got ellipsis"),
        ({1, 2}, "got set"),
        ({1: 2}, "a dict with keys of text was expected; got a key of int"),
        (b"x", "got bytes"),
        (1j, "got complex"),
        pytest.param(10**5000, "a value that can be written was expected", id="endless"),
        (circle(), "at most 60 levels of lists and dicts can travel; got more"),
        (torch.ones(1).expand(200_000_000), "at most 400000000 bytes of tensors can travel; got 800000000"),
        (torch.empty(2, device="meta"), "tensors of numbers were expected"),
        (np.array(["a"]), "tensors of numbers were expected; got <U1"),
        (np.array([{}]), "tensors of numbers were expected; got object"),
    ],
)
def test_what_cannot_travel_is_named(value, says, tmp_path):
    with pytest.raises(ExchangeError) as error:
        pack(value, tmp_path, "v")
    assert says in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_text_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "MOST_TEXT", 100)
    with pytest.raises(ExchangeError, match="at most 100 characters can travel, tensors left out; got 202"):
        pack("x" * 200, tmp_path, "v")


def test_nothing_is_no_value(tmp_path):
    with pytest.raises(ExchangeError, match="a value v was expected; got none"):
        unpack(tmp_path, "v")
    with pytest.raises(ExchangeError, match="a value v was expected; got none"):
        unpack(tmp_path / "missing", "v")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"nul",
        b"NaN",
        b"[" * 200_000,
        b"9" * 5000,
        b"\xff\xfe",
        b'"\\ud800"',
        b'{"dict": [1]}',
        b'{"tuple": {}}',
        b'{"float": "0"}',
        b'{"float": [1]}',
        b'{"tensor": "0"}',
        b'{"pickle": "gASV"}',
        b'{"dict": {}, "tuple": []}',
        b"{}",
        b"[" * 61 + b"]" * 61,
    ],
    ids=lambda text: text[:16],
)
def test_damaged_trees_are_one_error(text, tmp_path):
    (tmp_path / "v.json").write_bytes(text)
    with pytest.raises(ExchangeError):
        unpack(tmp_path, "v")


def test_any_damage_is_one_error(tmp_path):
    pack({"a": [torch.arange(5), (1, "x")], "b": torch.ones(2, 2)}, tmp_path, "v")
    whole = {name: (tmp_path / name).read_bytes() for name in ("v.json", "v.safetensors")}
    chance = random.Random(0)
    for _ in range(400):
        for name, data in whole.items():
            damaged = bytearray(data)
            for _ in range(chance.randint(0, 3)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            (tmp_path / name).write_bytes(damaged[: chance.choice([len(damaged), chance.randrange(len(damaged))])])
        try:
            unpack(tmp_path, "v")
        except ExchangeError as error:
            str(error).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04K\x01.",
        (2**63).to_bytes(8, "little"),
        (8).to_bytes(8, "little") + b"{}      ",
        b"\x3f\0\0\0\0\0\0\0" + b'{"0":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}',
    ],
)
def test_damaged_tensors_are_one_error(data, tmp_path):
    (tmp_path / "v.json").write_text('{"tensor": "0"}')
    (tmp_path / "v.safetensors").write_bytes(data)
    with pytest.raises(ExchangeError):
        unpack(tmp_path, "v")


@pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")
def test_only_files_are_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("1")
    folder = tmp_path / "answers"
    folder.mkdir()
    (folder / "link.json").symlink_to(secret)
    (folder / "zero.json").symlink_to("/dev/zero")
    (folder / "circle.json").symlink_to("circle.json")
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    for name in ("link", "zero", "circle", "folder", "pipe"):
        with pytest.raises(ExchangeError, match=rf"{name}\.json must be a file"):
            unpack(folder, name)
    pack(1, folder, "v")
    (tmp_path / "elsewhere").symlink_to(folder)
    with pytest.raises(ExchangeError, match=r"v\.json must be a file"):
        unpack(tmp_path / "elsewhere", "v")


def test_files_have_an_end(tmp_path):
    (tmp_path / "v").write_bytes(b"x" * 11)
    with pytest.raises(ExchangeError, match="v must have at most 10 bytes; got 11"):
        read_file(tmp_path, "v", 10)
    assert read_file(tmp_path, "v", 11) == b"x" * 11
    assert read_file(tmp_path, "other", 11) is None


def test_torch_is_imported_for_tensors_only(tmp_path):
    code = f"""
import sys
from pathlib import Path
from labkit.teaching.exchange import pack, unpack
import labkit.teaching.box, labkit.teaching.worker
pack({{"a": [1, 2.5, "x"]}}, Path({json.dumps(str(tmp_path))}), "v")
assert unpack(Path({json.dumps(str(tmp_path))}), "v") == {{"a": [1, 2.5, "x"]}}
assert not {{"torch", "numpy", "nbclient"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
