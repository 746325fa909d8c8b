import pytest

from labkit.viz import Table, switched

TABLES = {"one & two": Table("<p>first</p>"), "b": Table("<p>second</p>"), "c": Table("<p>third</p>")}


def test_the_chosen_table_is_shown_alone(offline_page):
    pair = {"x": Table("<p>fourth</p>"), "y": Table("<p>fifth</p>")}
    offline_page.set_content(switched(TABLES, title="What").html + switched(pair, title="Other").html)
    texts = offline_page.locator("p")

    def visible():
        return [text for number, text in enumerate(texts.all_inner_texts()) if texts.nth(number).is_visible()]

    assert visible() == ["first", "fourth"]
    offline_page.get_by_role("radio", name="b", exact=True).check(force=True)
    assert visible() == ["second", "fourth"]
    offline_page.keyboard.press("ArrowRight")
    assert visible() == ["third", "fourth"]
    assert offline_page.get_by_role("group", name="What").get_by_role("radio", name="one & two").count() == 1


def test_a_switch_needs_two_tables_and_a_title():
    with pytest.raises(ValueError, match="two tables; got 'What' and 1"):
        switched({"a": TABLES["b"]}, title="What")
    with pytest.raises(ValueError, match="a switch needs a title"):
        switched(TABLES, title=" ")
