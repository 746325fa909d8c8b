import io
import struct

import pytest

from labkit.data.containers import promised_bytes

FTYP = struct.pack(">I4s8s", 16, b"ftyp", b"isom\0\0\2\0")
CONTENT = bytes(range(40))


@pytest.mark.parametrize(
    ("data", "promised"),
    [
        (b"RIFF" + struct.pack("<I", 4 + 40) + b"AVI " + CONTENT, 52),
        (b"RIFF\xff\xff\xff\xffAVI " + CONTENT, 0),  # as it is while an AVI is being written: nobody knows
        (FTYP + struct.pack(">I4s", 8 + 40, b"mdat") + CONTENT, 64),
        (FTYP + struct.pack(">I4s", 0, b"mdat") + CONTENT, 64),  # up to the end of the file
        (FTYP + struct.pack(">I4sQ", 1, b"mdat", 16 + 40) + CONTENT, 72),  # a length of 64 bits
        (FTYP + struct.pack(">I4sQ", 1, b"mdat", 16 + 90) + CONTENT, 122),  # of which not all is there
        (FTYP + struct.pack(">I4s", 8 + 40, b"mdat") + CONTENT + bytes(20), 64),  # padding after the last box
        (b"nothing of the kind", 0),
    ],
)
def test_where_a_file_ends_by_its_own_account(data, promised):
    assert promised_bytes(io.BytesIO(data), len(data)) == promised
