"""Nothing from outside becomes markup."""

import json
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from edgebench.reports.html.text import html, script_json
from edgebench.reports.visible import visible
from tests.reports.made_runs import NASTY


class Seen(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.values: list[str | None] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(st.text(max_size=30) | st.just(NASTY))
def test_any_text_stays_the_text_of_an_element_and_of_an_attribute(text: str) -> None:
    seen = Seen()
    seen.feed(f'<p title="{html(text)}">{html(text)}</p>')
    seen.close()
    assert seen.tags == ["p"]
    assert seen.values == [visible(text)]
    assert "".join(seen.texts) == visible(text)


@given(st.text())
def test_nothing_invisible_is_left(text: str) -> None:
    assert not any(ord(character) < 0x20 or ord(character) in range(0x7F, 0xA0) for character in visible(text))
    assert not set(visible(text)) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2028\u2029")
    assert visible(visible(text)) == visible(text)


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.dictionaries(st.text(), inner, max_size=3)))
def test_json_cannot_end_its_script(value: object) -> None:
    text = script_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


def test_what_breaks_out_of_scripts_is_read_back_as_it_was() -> None:
    assert json.loads(script_json([NASTY])) == [NASTY]
