"""Java properties are read by Java's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.properties import load_properties, parse_properties, render_properties
from appliance.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1\nb:2\nc 3\nd\n", {"a": "1", "b": "2", "c": "3", "d": ""}),
        ("# no\n  ! no\n\n a = b = c ", {"a": "b = c "}),
        ("list=a,\\\n   b,\\\n   # c\n", {"list": "a,b,# c"}),
        ("a\\ b\\=c=\\u00e9\\t\\q", {"a b=c": "é\tq"}),
        ("a=x\\\\\nb=1", {"a": "x\\", "b": "1"}),
        ("a=1\r\na=2\rb=3", {"a": "2", "b": "3"}),
        ("a\t:\tb", {"a": "b"}),
        ("a=\\ud83d\\ude00", {"a": "😀"}),
    ],
)
def test_pairs_are_read_when_text_uses_the_whole_grammar(text, expected):
    """Separators, comments, continuations and escapes mean what they mean in Java."""
    assert expected == parse_properties(text)


def test_broken_escape_is_refused_when_digits_are_missing():
    """A truncated unicode escape names the text and the remedy."""
    with pytest.raises(ConfigError, match="four hexadecimal digits"):
        parse_properties("a=\\u00")


def test_missing_file_is_named_when_it_cannot_be_read(tmp_path):
    """The error names the file."""
    with pytest.raises(ConfigError, match=r"no\.properties: No such file"):
        load_properties(tmp_path / "no.properties")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029"))


@given(st.dictionaries(TEXT, TEXT))
def test_pairs_come_back_when_rendered_and_parsed(pairs):
    """What is rendered reads back as it was."""
    assert pairs == parse_properties(render_properties(pairs))
