import re
from html.parser import HTMLParser

import pytest

from labkit import claims
from labkit.viz import Table, contents, folded, paper_table
from labkit.viz.tables import OUTCOMES

ROWS = [
    {"name": "A & B", "paper": [42.5, None], "ours": [[40.0, 42.0, 44.0], None], "why": "half the size"},
    {"name": "theirs", "paper": [72.25, "fast"], "ours": [None, None], "why": "not rebuilt"},
    {"name": "theirs too", "paper": [7, 3], "ours": [None, None], "why": "not rebuilt"},
    {"name": "live", "paper": [81.0, 4], "ours": [79.5, None], "why": "", "source": "live"},
]
TOLD = [
    {"id": "p.a", "outcome": "holds", "says": "A < B.", "reason": "a > b by 1: +2.00\nb > c by 1: +3.00"},
    {
        "id": "p.b",
        "outcome": "the other way round",
        "says": "B.",
        "reason": "b > c by 1: -1.00",
        "cause": "too few clips",
        "numbers": "b > c by 1: -1.00 [-2, 0]\nbeside it: <none>",
    },
]


def table(rows=ROWS, **changes):
    return paper_table(rows, **({"title": "Two <ways>", "columns": ["accuracy", "speed"]} | changes))


class Cells(HTMLParser):
    """Every cell of a table, row by row: its tag, its attributes and its text."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.inside, self.caption = [], None, ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append([tag, dict(attributes), ""])
        if tag in ("th", "td", "caption"):
            self.inside = tag
        elif tag in ("small", "span") and self.inside and self.inside != "caption":
            self.rows[-1][-1][2] += " "

    def handle_endtag(self, tag):
        if tag == self.inside:
            self.inside = None

    def handle_data(self, data):
        if self.inside == "caption":
            self.caption += data
        elif self.inside:
            self.rows[-1][-1][2] += data


def texts(html):
    return [[" ".join(text.split()) for _, _, text in row] for row in Cells(html).rows]


def test_the_papers_cells_and_ours_by_hand():
    assert texts(table().html) == [
        ["", "the paper", "this lab"],
        ["row", "accuracy", "speed", "accuracy"],  # nothing of ours on speed
        ["A & B half the size", "42.50", "– none", "42.00 ± 2.00"],  # mean and deviation of 40, 42, 44
        ["theirs", "72.25", "fast", "not rebuilt"],
        ["theirs too", "7", "3"],  # the reason is said once
        ["live live", "81.00", "4", "79.50"],
    ]


def test_our_columns_may_be_others_than_the_papers():
    rows = [
        {"name": "a", "paper": [1, 42.25], "ours": [None, 40.0, None, [41.0, 43.0]]},
        {"name": "b", "paper": [2, None], "ours": [None, None, None, None], "why": "not rebuilt"},
    ]
    html = table(rows, columns=["clips", "Oxford"], ours=[("clips", 0), ("Oxford", 1), ("Paris", 1), ("the world", 1)])
    assert texts(html.html) == [
        ["", "the paper", "this lab"],
        ["row", "clips", "Oxford", "Oxford", "the world"],  # nothing of ours on Paris, nor on clips
        ["a", "1", "42.25", "40.00", "42.00 ± 1.41"],
        ["b", "2", "– none", "not rebuilt"],
    ]
    with pytest.raises(ValueError, match="ours of 'a' must have a cell for each of the 1 columns; got 4"):
        table(rows, columns=["clips", "Oxford"], ours=[("clips", 0)])


def test_every_row_is_as_wide_as_the_table():
    for rows in (ROWS, ROWS[1:3]):  # the second table has nothing of ours at all
        cells = Cells(table(rows).html).rows
        still_covered, widths = 0, []
        for row in cells:
            widths.append(sum(int(at.get("colspan", 1)) for _, at, _ in row) + (1 if still_covered else 0))
            still_covered = max([still_covered - 1, *(int(at.get("rowspan", 1)) - 1 for _, at, _ in row)])
        assert set(widths) == {1 + 2 + 1}


def test_headers_say_what_they_head():
    html = table().html
    cells = Cells(html)
    assert [cell[1]["scope"] for cell in cells.rows[0][1:]] == ["colgroup", "colgroup"]
    assert {cell[1]["scope"] for cell in cells.rows[1]} == {"col"}
    assert all(row[0][0] == "th" and row[0][1]["scope"] == "row" for row in cells.rows[2:])
    assert cells.caption == "Two <ways>"
    assert 'role="region" tabindex="0" aria-label="Two &lt;ways&gt;"' in html  # wide tables scroll by keyboard


def test_caption_and_notes():
    html = table(where="section 6, Table 1", unit="% accuracy", note="Beware.").html
    assert Cells(html).caption == "Two <ways>section 6, Table 1, % accuracy"
    assert "Recorded: mean ± standard deviation over 3 seeds." in html
    assert '<p class="note">Beware.</p>' in html
    assert "standard deviation" not in table(ROWS[1:]).html
    uneven = [*ROWS, {"name": "more", "paper": [1.0, 2], "ours": [[1.0] * 5, None]}]
    assert "over 3 to 5 seeds" in table(uneven).html


def test_verdicts_are_words_before_colours():
    html = table(verdicts=TOLD).html
    assert '<ul aria-label="Claims">' in html
    assert "<b>✓ holds</b>: A &lt; B. <code>p.a</code>" in html
    assert '<span class="measured">a > b by 1: +2.00</span>'.replace(" > ", " &gt; ") in html
    assert html.count('class="measured"') == 4  # two statements; one statement and a cause
    assert "Why: too few clips" in html
    unfolds = "<span>b &gt; c by 1: -1.00 [-2, 0]</span><span>beside it: &lt;none&gt;</span>"
    assert html.count(f"<details><summary>In numbers</summary>{unfolds}</details>") == html.count("<details>") == 1
    meaning = "✗ the other way round: what should be better is worse, or what should be equal is not."
    assert f'<p class="note">{meaning}</p>' in html
    assert "✓ holds:" not in html  # which says what it means
    assert "<ul" not in table().html
    assert (
        len({sign for sign, _ in OUTCOMES.values()})
        == len({colour for _, colour in OUTCOMES.values()})
        == len(OUTCOMES)
    )


def test_the_ledger_and_the_table_use_the_same_words_and_signs():
    assert {name: sign for name, (sign, _) in OUTCOMES.items()} == {str(o): s for o, s in claims.SYMBOLS.items()}


def test_the_ledgers_tables_can_be_shown():
    for paper in claims.ledger().values():
        selection = claims.Selection(paper)
        told = [claims.verdict(claim, [], selection).plain() for claim in paper.claims]
        for entry in filter(lambda entry: entry.rows, paper.entries):
            rows, own = claims.beside(entry, [], selection), entry.our_columns("world")
            ours = [(column.heading, column.index) for column in own]
            shown = paper_table(
                rows, title=entry.title, columns=entry.columns, ours=ours, note=entry.note, verdicts=told
            )
            whose = any(cell is not None for row in entry.rows for cell in row.paper)  # else one side, one head
            assert len(Cells(shown.html).rows) == (2 if whose else 1) + len(entry.rows)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": " "}, "a table needs a title and rows; got ' ' and 4 rows"),
        ({"rows": []}, "a table needs a title and rows"),
        ({"columns": ["accuracy"]}, "paper of 'A & B' must have a cell for each of the 1 columns; got 2"),
        ({"rows": [{"name": "x", "paper": [1, 2], "ours": [1]}]}, "ours of 'x' must have a cell .* got 1: put None"),
        ({"rows": [{"name": "x", "paper": [1, 2], "ours": [None, []]}]}, "row 'x' must have ours or the reason why"),
        ({"verdicts": [TOLD[0] | {"outcome": "maybe"}]}, "outcome of p.a must be one of .*maybe"),
    ],
)
def test_what_is_missing_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        table(**changes)


def test_a_table_of_the_labs_own_has_one_side_only():
    rows = [{"name": "net", "paper": [None, None], "ours": [[1.0, 2.0], None]}]
    html = paper_table(rows, title="Ours", columns=["accuracy", "speed"]).html
    assert "the paper" not in html
    assert html.count('scope="col"') == 2  # of the rows, and of the one column that has numbers
    assert html.count("<td") == 1
    assert "1.5" in html


def test_tables_can_be_folded():
    html = folded("Two <tables>", Table("<b>one</b>"), Table("<b>two</b>")).html
    assert re.search(r"<details.*<summary>Two &lt;tables&gt;</summary><b>one</b><b>two</b></details>", html, flags=re.S)
    for summary, tables in ((" ", [Table("x")]), ("nothing", [])):
        with pytest.raises(ValueError, match="needs a line and tables"):
            folded(summary, *tables)


def test_contents_lead_to_a_page():
    html = contents(
        [("Table 1", "A < B", "02_x")], title="Paper", columns=("", "what", "where"), href="02_x.ipynb"
    ).html
    assert '<th scope="row">Table 1</th><td>A &lt; B</td><td><a href="02_x.ipynb">02_x</a></td>' in html
    with pytest.raises(ValueError, match="a cell for each of"):
        contents([("Table 1", "02_x")], title="Paper", columns=("", "what", "where"), href="x")
    with pytest.raises(ValueError, match="rows must be some"):
        contents([], title="Paper", columns=("", "where"), href="x")


@pytest.mark.browser
def test_in_a_browser(offline_page):
    lab = """<style>
        .jp-RenderedHTMLCommon tbody tr:nth-child(odd) { background: red }
        .jp-RenderedHTMLCommon th { text-align: right }
    </style>"""
    theme = "--jp-content-font-color1: rgb(250, 250, 250)"
    html = table(verdicts=TOLD)._repr_html_()
    offline_page.set_content(f'{lab}<div class="jp-RenderedHTMLCommon" style="{theme}">{html}</div>')

    def look(selector, name):
        return offline_page.locator(selector).first.evaluate(f"e => getComputedStyle(e).{name}")

    assert look("tbody tr", "backgroundColor") == "rgba(0, 0, 0, 0)"  # stronger than JupyterLab's own rules
    assert look("tbody th", "textAlign") == "left"
    assert look("tbody td", "color") == "rgb(250, 250, 250)"  # takes on the theme
    offline_page.set_viewport_size({"width": 320, "height": 600})
    assert offline_page.evaluate("document.documentElement.scrollWidth") <= 320  # scrolls inside, not the page
    assert offline_page.get_by_role("rowheader", name="theirs", exact=True).count() == 1
    assert offline_page.get_by_role("table", name="Two <ways>").count() == 1
