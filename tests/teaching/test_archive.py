"""Archives of learning platforms: sorted by student, and nothing leaves the folder."""

import io
import stat
import zipfile
from pathlib import PurePosixPath

import pytest

from labkit.teaching import archive
from labkit.teaching.archive import ArchiveError, collect, name_of, owner, time_of
from labkit.teaching.classroom import Classroom, Student

ROSTER = {
    one.student: one
    for one in (
        Student("s1", "Ada Lovelace", "ada@example.org", "1001", "77"),
        Student("s2", "Émile du Châtelet", moodle="1002", canvas="78"),
        Student("s3", "Ada Lovelace"),  # the same name
    )
}


@pytest.fixture
def classroom(tmp_path):
    return Classroom(tmp_path / "teach", "Course", "a secret of many letters", roster=ROSTER)


def zipped(path, files):
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("Ada Lovelace_1001_assignsubmission_file/02_two_stream.ipynb", "s1"),
        ("Ada Lovelace_9999_assignsubmission_file/02_two_stream.ipynb", ""),  # two of that name
        ("Émile du Châtelet_5_assignsubmission_file/x.py", "s2"),
        ("lovelaceada_late_77_12345_02_two_stream.ipynb", "s1"),
        ("chteletmiledu_78_12345_02_two_stream-1.py", "s2"),
        ("s2/anything.ipynb", "s2"),
        ("ada@example.org/anything.ipynb", "s1"),
        ("02_two_stream_s1.zip/02_two_stream.ipynb", "s1"),
        ("02_two_stream_S2.ipynb", "s2"),
        ("02_two_stream_s2 (1).zip/02_two_stream.ipynb", "s2"),
        ("02_two_stream_s2+s3.zip/02_two_stream.ipynb", ""),  # the roster has no such group
        ("02_two_stream_s2+s9.zip/02_two_stream.ipynb", "s2"),
        ("s1/02_two_stream_s2.ipynb", ""),  # whose is it?
        ("Ada Lovelace_9999_assignsubmission_file/02_two_stream_s3.ipynb", "s3"),  # one of the two
        ("Émile du Châtelet_5_assignsubmission_file/02_two_stream_s1.ipynb", ""),  # for somebody else
        ("Émile du Châtelet_5_assignsubmission_file/02_two_stream_s2.zip/s1/02_two_stream.ipynb", ""),
        ("chteletmiledu_78_12345_02_two_stream_s1.zip/02_two_stream.ipynb", ""),
        ("chteletmiledu_78_12345_02_two_stream_s2.zip/02_two_stream.ipynb", "s2"),
        ("nobody/02_two_stream.ipynb", ""),
    ],
)
def test_a_path_names_its_student(path, student):
    assert owner(PurePosixPath(path), ROSTER.values()) == student


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("02_two_stream_s1+s2.zip/02_two_stream.ipynb", "s1"),
        ("Bob B_502_assignsubmission_file/02_two_stream_s1+s2.zip/02_two_stream.ipynb", "s2"),
        ("Ann A_501_assignsubmission_file/02_two_stream_s2.zip/02_two_stream.ipynb", "s1"),
        ("Ann A_501_assignsubmission_file/02_two_stream_2026.zip/02_two_stream.ipynb", ""),
        ("02_two_stream_s1+2026.zip/02_two_stream.ipynb", ""),
        ("02_two_stream_2026-7.zip/02_two_stream.ipynb", "2026-7"),
        ("02_two_stream_2026-8.zip/02_two_stream.ipynb", "2026"),  # as a browser numbers it
        ("02_two_stream_s1+s2-1.zip/02_two_stream.ipynb", "s1"),
        ("02_two_stream_jane@x.edu.zip/02_two_stream.ipynb", "jane@x.edu"),
        ("2026-8/02_two_stream.ipynb", ""),
    ],
)
def test_groups_and_numbers_that_look_like_something_else(path, student):
    group = [Student("s1", "Ann A", moodle="501", group="blue"), Student("s2", "Bob B", moodle="502", group="blue")]
    roster = [*group, Student("2026-7"), Student("2026"), Student("jane@x.edu")]
    assert owner(PurePosixPath(path), roster) == student


def test_an_archive_is_sorted_and_a_second_time_nothing_changes(tmp_path, classroom):
    inner = io.BytesIO()
    zipped(inner, {"02_two_stream.ipynb": "{}", "02_two_stream.py": "# %%"})
    source = zipped(
        tmp_path / "all of them.zip",
        {
            "Ada Lovelace_1001_assignsubmission_file/02_two_stream_s1.zip": inner.getvalue(),
            "s2/02_two_stream.ipynb": "{}",
            "s2/notes.docx": "x",
            "who/02_two_stream.ipynb": "{}",
            "__MACOSX/s2/._02_two_stream.ipynb": "x",
        },
    )
    found = collect(source, classroom, "02")
    assert {student: len(folders) for student, folders in found.filed.items()} == {"s1": 1, "s2": 1}
    assert sorted(path.name for path in found.filed["s1"][0].iterdir()) == ["02_two_stream.ipynb", "02_two_stream.py"]
    assert time_of(found.filed["s1"][0].name) is not None
    assert found.unknown == ["who/02_two_stream.ipynb"]
    assert found.odd == ["s2/notes.docx"]
    assert found.lacking == ["s3"]
    assert not collect(source, classroom, "02").filed


def test_versions_of_the_same_second_and_checkpoints_and_damaged_ones(tmp_path, classroom):
    files = {"s1/a/02_x.ipynb": "{}", "s1/b/02_x.ipynb": "[]", "s2/.ipynb_checkpoints/02_x-checkpoint.ipynb": "{}"}
    late = zipped(tmp_path / "one.zip", files | {"s3/02_x_s3.zip": "no archive"})
    found = collect(late, classroom, "02")
    assert [len(folders) for folders in found.filed.values()] == [2]  # both of s1's, nothing of s2's
    assert found.odd == ["s3/02_x_s3.zip must be a .zip archive; File is not a zip file: fetch it again"]
    assert not collect(late, classroom, "02").filed
    again = collect(zipped(tmp_path / "two.zip", {"s1/02_x.ipynb": "[1]"}), classroom, "02")
    assert len(again.filed["s1"]) == 1


def test_a_damaged_archive_or_a_long_name_costs_nobody_else_anything(tmp_path, classroom):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("02_x.ipynb", str(list(range(3000))))
    damaged = bytearray(inner.getvalue())
    damaged[60:90] = bytes(30)  # in its compressed content
    name = f"s1/{245 * 'x'}.py"
    files = {"02_x_s1.zip": bytes(damaged), name: "# %%", "02_x_s2.ipynb": "{}"}
    found = collect(zipped(tmp_path / "all.zip", files), classroom, "02")
    assert set(found.filed) == {"s2"}
    assert found.odd[0].startswith("02_x_s1.zip: '02_x.ipynb' cannot be read; Error")
    assert found.odd[1:] == [name]
    assert found.lacking == ["s1", "s3"]


def test_a_version_is_there_whole_or_not_at_all(tmp_path, classroom, monkeypatch):
    source = zipped(tmp_path / "all.zip", {"s1/02_x.ipynb": "{}", "s1/02_x.py": "# %%"})
    whole = archive.written_whole
    monkeypatch.setattr(archive, "written_whole", lambda path: whole(path if path.suffix != ".py" else path / "no"))
    with pytest.raises(OSError, match=r"02_x\.py"):
        collect(source, classroom, "02")
    assert list(classroom.of("02", "submitted", "s1").iterdir()) == []
    monkeypatch.undo()
    (version,) = collect(source, classroom, "02").filed["s1"]
    assert sorted(path.name for path in version.iterdir()) == ["02_x.ipynb", "02_x.py"]
    assert list(version.parent.iterdir()) == [version]


def test_the_platforms_clock_counts_and_not_the_students(tmp_path, classroom):
    inner = io.BytesIO()
    zipped(inner, {"02_x.ipynb": "{}"})
    entry = zipfile.ZipInfo("s1/02_x_s1.zip", (2026, 12, 20, 12, 0, 0))
    with zipfile.ZipFile(tmp_path / "platform.zip", "w") as packed:
        packed.writestr(entry, inner.getvalue())
    (folder,) = collect(tmp_path / "platform.zip", classroom, "02").filed["s1"]
    assert folder.name.startswith("2026-12-20T")
    odd = zipfile.ZipInfo("s2/02_x.ipynb")
    odd.date_time = (1980, 0, 0, 0, 0, 0)
    assert archive._time_of(odd).year == 1980


def test_a_folder_and_one_archive_of_hand_in(tmp_path, classroom):
    (tmp_path / "got" / "s2").mkdir(parents=True)
    (tmp_path / "got" / "s2" / "02_x.py").write_text("# %%")
    one = zipped(tmp_path / "got" / "02_two_stream_s1.zip", {"02_two_stream.ipynb": "{}"})
    assert set(collect(tmp_path / "got", classroom, "02").filed) == {"s1", "s2"}
    assert set(collect(one, classroom, "03").filed) == {"s1"}
    roster = {"jane@x.edu": Student("jane@x.edu", group="blue"), "2026-7": Student("2026-7", group="blue")}
    group = Classroom(tmp_path / "other", "Course", "a secret of many letters", roster=roster)
    for name in ("02_two_stream_jane@x.edu.zip", "02_two_stream_2026-7.zip", "02_two_stream_2026-7+jane@x.edu (1).zip"):
        found = collect(zipped(tmp_path / name, {"02_two_stream.ipynb": name}), group, "02")
        assert (len(found.filed), found.unknown) == (1, [])


def test_times_of_a_platforms_archive_are_its_entries_whatever_it_is_called(tmp_path, classroom):
    entry = zipfile.ZipInfo("s1/02_x.ipynb", (2026, 12, 20, 12, 0, 0))
    with zipfile.ZipFile(tmp_path / "02_from-moodle.zip", "w") as packed:
        packed.writestr(entry, "{}")
    (folder,) = collect(tmp_path / "02_from-moodle.zip", classroom, "02").filed["s1"]
    assert folder.name.startswith("2026-12-20T")


@pytest.mark.parametrize("name", ["../02_x.ipynb", "/etc/02_x.ipynb", "s1/../../02_x.py", "C:\\02_x.py"])
def test_a_path_that_leads_out_of_the_archive_is_refused(tmp_path, classroom, name):
    source = zipped(tmp_path / "evil.zip", {"s1/02_x.ipynb": "{}", name: "{}"})
    with pytest.raises(ArchiveError, match="leads out of it: nothing was taken"):
        collect(source, classroom, "02")
    assert not classroom.of("02").exists()


def test_links_bombs_and_things_that_are_no_archive_are_refused(tmp_path, classroom, monkeypatch):
    link = zipfile.ZipInfo("s1/02_x.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as packed:
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(ArchiveError, match="holds a link"):
        collect(tmp_path / "link.zip", classroom, "02")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "02_x.ipynb").symlink_to("/etc/passwd")
    with pytest.raises(ArchiveError, match="is a link"):
        collect(tmp_path / "folder", classroom, "02")
    (tmp_path / "no.zip").write_text("no")
    with pytest.raises(ArchiveError, match=r"must be a \.zip archive"):
        collect(tmp_path / "no.zip", classroom, "02")
    with pytest.raises(ArchiveError, match="there is no such thing"):
        collect(tmp_path / "nowhere", classroom, "02")
    monkeypatch.setattr(archive, "MOST_OF_ONE", 1000)
    source = zipped(tmp_path / "large.zip", {"s1/02_x.ipynb": "x" * 2000})
    assert collect(source, classroom, "02").odd == ["s1/02_x.ipynb"]
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    with pytest.raises(ArchiveError, match="take it apart"):
        collect(source, classroom, "02")


def test_what_all_archives_of_students_hold_is_added_up(tmp_path, classroom, monkeypatch):
    packed = {}
    for student in ("s1", "s2"):
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as one:
            one.writestr("02_x.py", "#" * 700)
        packed[f"02_x_{student}.zip"] = inner.getvalue()
    source = zipped(tmp_path / "all.zip", packed)
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    with pytest.raises(ArchiveError, match=r"all.zip must hold at most .* GB; it holds .* or more: take it apart"):
        collect(source, classroom, "02")
    assert not classroom.of("02").exists()
    monkeypatch.setattr(archive, "MOST_BYTES", 2000)
    assert set(collect(source, classroom, "02").filed) == {"s1", "s2"}


def test_times_name_folders_and_back():
    time = time_of("2026-12-04T20-58-03")
    assert name_of(time) == "2026-12-04T20-58-03"
    assert time_of("yesterday") is None
