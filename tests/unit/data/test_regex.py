"""Java's regular expressions on Python's engine: look-behind and faults as Java has them."""

from __future__ import annotations

import re

import pytest

from appliance.data.regex import JavaPattern, regex_fault


@pytest.mark.parametrize(
    ("pattern", "text", "replaced"),
    [
        ("(?<=a+)b", "aab ab b", "aa# a# b"),
        ("(?<=xy|z)d", "xyd zd ad", "xy# z# ad"),
        ("(?<!foo|barbaz)x", "foox barbazx zx", "foox barbazx z#"),
        ("(?<=a{1,3}b)c", "aabc bc", "aab# bc"),
        ("(?<=a?b)c", "abc bc c", "ab# b# c"),
        ("(?<=^a{0,2})b", "aab b xb", "aa# b xb"),
        ("(?<=[ab]{1,2}c)x", "abcx cx", "abc# cx"),
        (r"(?<![a(]|\)b)y", "ay (y )by by", "ay (y )by b#"),
        ("((?<=a|bb)c)", "ac bbc bc", "a# bb# bc"),
    ],
)
def test_look_behind_finds_what_java_finds_when_its_width_varies(pattern, text, replaced):
    """Alternatives and counts inside a look-behind group work."""
    assert replaced == JavaPattern(pattern).replace_all(text, "#")


@pytest.mark.parametrize("pattern", ["(?<=xa+)b", "(?<=xb{0,99}c{0,99})d", "(?<=(a|bb))c"])
def test_look_behind_is_refused_when_it_has_no_greatest_width(pattern):
    """What would need endless alternatives is an error of the option, not a wait."""
    with pytest.raises(re.error, match="obvious maximum length"):
        JavaPattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("ab{c", "Illegal repetition near index 3\nab{c\n   ^"),
        ("{", "Illegal repetition near index 1\n{"),
        ("x{1,", "Unclosed counted closure near index 4\nx{1,"),
        ("x{1a}", "Unclosed counted closure near index 3\nx{1a}\n   ^"),
    ],
)
def test_a_brace_is_an_error_when_it_counts_nothing(pattern, fault):
    """Python would take it for a plain character; Java does not."""
    with pytest.raises(re.error) as raised:
        JavaPattern(pattern)

    assert fault == regex_fault(raised.value)
