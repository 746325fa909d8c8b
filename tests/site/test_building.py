"""What the site is put together from: links between files, terms, facts of lessons, uses of modules."""

import zipfile
from types import SimpleNamespace

import build_site
import nbformat
import print_lessons
import pytest
from docutils import nodes
from lab_site import ROOT, evidence, extension, glossary, lessons, links, papers, reference, source, tables

from labkit import course
from labkit.syllabus import syllabus

LESSON = ROOT / "notebooks" / "02_two_stream.py"


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("[a](../labkit/flow/warp.py)", "[a](/reference/labkit.flow.warp.md)"),
        ("[a](../labkit/flow)", "[a](/reference/labkit.flow.md)"),
        ("[a](../labkit/flow/__init__.py)", "[a](/reference/labkit.flow.md)"),
        ("[a](01_video_and_flow.ipynb)", "[a](/lessons/01_video_and_flow.ipynb)"),
        ("[a](../course/instructor.md#before)", "[a](/teach/instructor.md#before)"),
        ("[a](../data_scripts/act.py)", "[a](/files/data_scripts/act.py.md)"),
        ("[`a` *b*](../docs/world.md)", "[`a` *b*](/world.md)"),
        ("[a](../tests/)", "a"),  # a folder without a page
        ("[a](https://example.org/x.py)", "[a](https://example.org/x.py)"),
        ("`[a](../labkit/flow)`", "`[a](../labkit/flow)`"),
        ("```\n[a](../labkit/flow)\n```", "```\n[a](../labkit/flow)\n```"),
        ("![a](../docs/world.jpg)", "![a](/images/docs/world.jpg)"),
    ],
)
def test_links_between_files_become_links_between_pages(written, becomes):
    assert links.Linker().markdown(written, LESSON) == becomes


def test_linked_sources_and_images_are_remembered():
    linker = links.Linker()
    linker.markdown("[a](../data_scripts/act.py) ![b](../docs/world.jpg)", LESSON)
    assert linker.files == {"files/data_scripts/act.py": ROOT / "data_scripts/act.py"}
    assert linker.images == {ROOT / "docs/world.jpg": "images/docs/world.jpg"}


def test_a_link_that_leads_nowhere_is_named():
    with pytest.raises(FileNotFoundError, match=r"there is no labkit/no\.py"):
        links.Linker().markdown("[a](../labkit/no.py)", LESSON)
    with pytest.raises(FileNotFoundError, match=r"there is no docs/no\.png"):
        links.Linker().markdown("![a](../docs/no.png)", LESSON)


def test_a_link_to_a_line_leads_to_the_source_of_its_class_or_function():
    path = ROOT / "labkit/papers/frame_rnn.py"
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines) if text.startswith("class ReLURecurrence"))
    html = f'<a href="../labkit/papers/frame_rnn.py#line={line},0">'
    expected = '<a href="../_modules/labkit/papers/frame_rnn.html#ReLURecurrence"{}>'
    linker = links.Linker()
    assert linker.html(html, LESSON, "lessons/03_x.html") == expected.format(' id="code-ReLURecurrence"')
    assert linker.html(html, LESSON, "lessons/03_x.html") == expected.format("")  # an id names one place
    assert linker.shown == {"labkit.papers.frame_rnn.ReLURecurrence": "lessons/03_x.html#code-ReLURecurrence"}
    html = '<a href="../labkit/claims">'
    assert links.Linker().html(html, LESSON, "lessons/10_x.html") == '<a href="../reference/labkit.claims.html">'


TEXT = "Optical flow is the motion. Then optical flow again, and its occlusion."


def test_the_first_mention_of_a_term_is_marked():
    pieces = list(glossary._marked(TEXT, set()))
    raw = [piece.astext() for piece in pieces if isinstance(piece, nodes.raw)]
    assert len(raw) == 2
    assert raw[0].startswith('<a class="labkit-term" href="../glossary.html#term-optical-flow" data-means="')
    assert raw[0].endswith(">Optical flow</a>")
    assert ">occlusion</a>" in raw[1]
    plain = "".join(piece.astext() for piece in pieces if not isinstance(piece, nodes.raw))
    assert plain == " is the motion. Then optical flow again, and its ."


def test_a_longer_term_wins_and_a_term_within_a_word_does_not_count():
    marked = [node.astext() for node in glossary._marked("slow fusion, infusion", set())]
    assert ">slow fusion</a>" in marked[1]
    assert len(marked) == 3


def test_glossary_entries_are_read():
    text = ":::{glossary}\na\nb c\n    First. Second\n    third.\n\nd\n    Fourth.\n:::\n"
    assert list(glossary.entries(text)) == [(["a", "b c"], "First. Second third."), (["d"], "Fourth.")]
    with pytest.raises(ValueError, match="must have a block"):
        list(glossary.entries("nothing"))


def executed(tmp_path, *cells):
    folder = tmp_path / "course"
    folder.mkdir(exist_ok=True)
    for lesson in syllabus():
        code = nbformat.v4.new_code_cell("1", execution_count=1)
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title\n\nText."), code, *cells])
        notebook.metadata["labkit_run"] = {"date": "2026-01-02", "seconds": "3", "labkit": "1.0", "machine": "m"}
        nbformat.write(notebook, folder / f"{tables.stem(lesson)}.ipynb")
    return folder


def test_executed_lessons_are_found(tmp_path):
    assert [lesson.number for lesson in lessons.executed_lessons(executed(tmp_path))][:2] == ["00", "01"]


def test_a_lesson_that_is_missing_failed_or_was_not_run_is_refused(tmp_path):
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=[])
    failed = nbformat.v4.new_code_cell("1", execution_count=2, outputs=[error])
    with pytest.raises(lessons.LessonError, match="cell 3 failed: mend it"):
        lessons.executed_lessons(executed(tmp_path, failed))
    with pytest.raises(lessons.LessonError, match="cell 3 was not run"):
        lessons.executed_lessons(executed(tmp_path, nbformat.v4.new_code_cell("1")))
    first = tmp_path / "course" / "00_start_here.ipynb"
    first.write_text('{"cells": [', encoding="utf-8")
    with pytest.raises(lessons.LessonError, match="must be a notebook"):
        lessons.executed_lessons(tmp_path / "course")
    first.unlink()
    with pytest.raises(lessons.LessonError, match=r"must hold 00_start_here\.ipynb, executed; there is none"):
        lessons.executed_lessons(tmp_path / "course")


def test_a_lesson_gets_its_facts_its_downloads_and_its_end(tmp_path):
    folded = nbformat.v4.new_code_cell(
        "# imports <all>\nimport x", execution_count=2, metadata={"tags": [course.FOLDED]}
    )
    folder = executed(tmp_path, folded)
    lesson = syllabus()[2]
    path = folder / "02_two_stream.ipynb"
    path.with_suffix(".pdf").write_bytes(b"%PDF")
    offered = lessons.offer(lesson, path, tmp_path / "downloads")
    assert offered == [f"02_two_stream{end}" for end in (".executed.zip", ".ipynb", ".pdf", ".py")]
    assert (tmp_path / "downloads/02_two_stream.py").read_bytes() == LESSON.read_bytes()
    notebook = lessons.lesson_page(lesson, path, links.Linker(), offered)
    head = notebook.cells[0].source
    assert head.startswith("# Title\n\n::::{div} lesson-facts\n")
    assert "after [01](/lessons/01_video_and_flow.ipynb)" in head
    assert "run on 2026-01-02 in 3 s, by labkit 1.0, m" in head
    assert "[labkit/flow/stack.py](/reference/labkit.flow.stack.md)" in head
    assert 'href="../downloads/02_two_stream.pdf" download' in head
    assert head.endswith("\n\nText.")
    assert notebook.cells[2].metadata["mystnb"]["code_prompt_show"] == "Code: imports <all>"
    assert 'data-lesson="02"' in notebook.cells[-1].source
    assert all(goal in notebook.cells[-1].source for goal in lesson.able)


def test_every_public_module_has_a_page_that_names_the_lessons_that_use_it():
    assert {"labkit.flow", "labkit.flow.tvl1", "labkit.papers.two_stream"} <= set(reference.modules())
    used = reference.used_in()
    assert "02" in used["labkit.papers.two_stream"]
    assert "02" in used["labkit.flow.stack"]  # linked, and reached through labkit.flow
    assert "04" not in used["labkit.papers.two_stream"]
    page = reference.page("labkit.flow")
    assert "   ~labkit.flow.tvl1.tvl1" in page  # where it is defined
    assert "labkit.flow.warp" in page.partition("{toctree}")[2]
    assert "Used in lesson" in page


def test_every_module_is_in_one_group_of_the_index():
    index = reference.index()
    top = [name for name in reference.modules() if name.count(".") == 1]
    assert all(index.count(f"(/reference/{name}.md)") == 1 for name in top)


def test_pages_are_filled_in(tmp_path):
    (tmp_path / "a.md").write_text("before {{ lesson names }} after", encoding="utf-8")
    assert source.filled(tmp_path / "a.md").startswith("before 00 · Start here <00_start_here>\n01 · ")
    (tmp_path / "a.md").write_text("{{ lesson name }}", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="must ask for one of"):
        source.filled(tmp_path / "a.md")


def test_claims_stand_in_sections_of_their_papers_with_their_signs_escaped():
    assert evidence._text("a*b_c [x] <y>") == r"a\*b\_c \[x\] \<y\>"
    page = evidence.page()
    assert page.startswith("(claims-02)=\n## 02 · Simonyan")
    assert page.count("\n## ") + page.startswith("## ") == 8


def test_every_paper_has_a_section_with_its_bibliography():
    page = papers.page()
    assert all(f"(paper-{lesson.number})=" in page for lesson in syllabus() if tables.paper(lesson))
    assert page.count("```bibtex") == len(papers.entries())
    assert papers.bibtex({"type": "misc", "key": "k", "year": "2000"}) == "@misc{k,\n  year = {2000},\n}"


def test_the_readme_has_the_table_of_lessons():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tables.readme_table() in text, "put what lab_site.tables.readme_table() gives into README.md"


def test_a_lesson_is_offered_as_one_file_where_that_is_asked_for(tmp_path):
    folder = executed(tmp_path)
    path = folder / "02_two_stream.ipynb"
    path.with_suffix(".html").write_text("<p>all of it", encoding="utf-8")
    offered = lessons.offer(syllabus()[2], path, tmp_path / "downloads", pages=True)
    assert "02_two_stream.html.zip" in offered
    with zipfile.ZipFile(tmp_path / "downloads" / "02_two_stream.html.zip") as archive:
        assert archive.read("02_two_stream.html") == b"<p>all of it"


@pytest.mark.browser
def test_lessons_are_printed(tmp_path, chromium, capsys):
    (tmp_path / "02_two_stream.html").write_text("<!doctype html><h1>On paper</h1>", encoding="utf-8")
    assert print_lessons.main([str(tmp_path)]) == 0
    assert (tmp_path / "02_two_stream.pdf").read_bytes().startswith(b"%PDF")
    assert "02_two_stream.pdf" in capsys.readouterr().out


def test_without_a_browser_nothing_is_printed(tmp_path, monkeypatch, capsys):
    (tmp_path / "02_two_stream.html").touch()
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert print_lessons.main([str(tmp_path)]) == 0
    assert "the lessons are not printed" in capsys.readouterr().err
    assert not (tmp_path / "02_two_stream.pdf").exists()


def test_a_folder_without_lessons_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda name: "/bin/false")
    assert print_lessons.main([str(tmp_path / "nowhere")]) == 1
    assert "nowhere must hold the lessons' pages" in capsys.readouterr().err


def test_a_site_replaces_nothing_but_a_site(tmp_path, capsys):
    """Nor is anything beside it lost, or left there, when it cannot be built."""
    mine = [
        tmp_path / name for name in ("pub/CNAME", "pub-source/mine.txt", "checkout/.nojekyll", "checkout/.git/HEAD")
    ]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for folder in ("pub", "checkout"):
        assert build_site.main([str(tmp_path), "--to", str(tmp_path / folder)]) == 1
        assert "must be an earlier site, or empty" in capsys.readouterr().err
    assert build_site.main([str(tmp_path), "--to", str(tmp_path / "new" / "site")]) == 1
    assert "must hold 00_start_here.ipynb" in capsys.readouterr().err
    assert all(path.exists() for path in mine)
    assert not list((tmp_path / "new").iterdir())


def test_a_browser_that_fails_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "02_two_stream.html").touch()
    monkeypatch.setattr("shutil.which", lambda name: "/bin/false")
    assert print_lessons.main([str(tmp_path)]) == 1
    assert "02_two_stream.html was not printed" in capsys.readouterr().err


def test_the_index_of_the_reference_lists_each_paper_once_each_time_it_is_made():
    assert reference.index() == reference.index()
    assert reference.index().count("(/reference/labkit.papers.two_stream.md)") == 1


def head(page, address):
    """What the extension puts into the head of a page of a site that will have an address, or none."""
    context = {"title": "a page", "body": ""}
    extension._page(SimpleNamespace(config=SimpleNamespace(html_baseurl=address)), page, "page.html", context, None)
    return context["metatags"].splitlines()


def test_the_page_for_wrong_addresses_finds_its_style_from_any():
    assert head("404", "https://example.org/lab/")[0] == '<base href="https://example.org/lab/">'
    assert "<base" not in "".join(head("404", "") + head("index", "https://example.org/lab"))
