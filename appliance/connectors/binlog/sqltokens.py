"""SQL text as tokens: words, names, literals and single signs, comments left out.

Executable comments (`/*!50100 … */`, `/*M! … */`) are SQL like the rest, where the dialect would run
them. Tokens keep their place in the text, so that parts of a statement can be quoted as written.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Final, Literal, NoReturn

from appliance.connectors.binlog.tables import TableId
from appliance.errors import DataError

Dialect = Literal["mysql", "mariadb"]
Kind = Literal["word", "name", "string", "number", "hex", "bits", "sign", "end"]


class DdlError(DataError):
    """A statement that is not understood; the message holds it, `target` the table it is about."""

    target: TableId | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Token:
    """One token; `text` is the source text, `value` a name or string without its outer quotes."""

    kind: Kind
    text: str
    value: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """Give a word in upper case, "" for anything else: quoted names are no keywords."""
        return self.text.upper() if self.kind == "word" else ""


_SPACE: Final = r"\s+|--(?=[\s\x00]|\Z)[^\n]*|\#[^\n]*"
_STRING: Final = r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\""
_TOKEN: Final = re.compile(
    rf"""
    (?P<space>{_SPACE})
    |(?P<executable>/\*M?!\d{{0,6}})
    |(?P<comment>/\*.*?\*/)
    |(?P<close>\*/)
    |(?P<hex>[xX]'[0-9a-fA-F]*'|0x[0-9a-fA-F]+(?![\w$]))
    |(?P<bits>[bB]'[01]*'|0b[01]+(?![\w$]))
    |(?P<national>[nN](?='))
    |(?P<string>{_STRING})
    |(?P<name>`(?:[^`]|``)*`)
    |(?P<number>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?(?![\w$]))
    |(?P<word>[\w$]+)
    |(?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_UNCLOSED: Final = frozenset("'\"`")


def tokenize(sql: str, dialect: Dialect = "mysql") -> list[Token]:
    """Give the tokens of `sql`, an `end` token last. Raises DdlError for text that never closes."""
    tokens: list[Token] = []
    position, open_comments = 0, 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None:
            _fail(sql, position)
        kind, text = match.lastgroup, match[0]
        start, position = position, match.end()
        if kind == "executable":
            if _runs(text, dialect):
                open_comments += 1
            else:
                position = _after_comment(sql, start)
        elif kind == "close" and open_comments:
            open_comments -= 1
        elif kind == "close":
            tokens.append(Token("sign", "*", "*", start, start + 1))
            position = start + 1
        elif kind not in ("space", "comment", "national"):
            tokens.append(_token(sql, kind or "sign", text, start, position))
    tokens.append(Token("end", "", "", len(sql), len(sql)))
    return tokens


def _token(sql: str, kind: str, text: str, start: int, end: int) -> Token:
    if kind == "sign":
        if text in _UNCLOSED or sql.startswith("/*", start):
            _fail(sql, start)
        return Token("sign", text, text, start, end)
    if kind == "name":
        return Token("name", text, text[1:-1].replace("``", "`"), start, end)
    if kind == "string":
        return Token("string", text, text[1:-1], start, end)
    if kind == "number":
        return Token("number", text, text, start, end)
    if kind == "hex":
        return Token("hex", text, text[2:].rstrip("'"), start, end)
    if kind == "bits":
        return Token("bits", text, text[2:].rstrip("'"), start, end)
    return Token("word", text, text, start, end)


def _runs(opening: str, dialect: Dialect) -> bool:
    """Say whether the server runs an executable comment.

    A server's own version is taken as recent enough; MariaDB leaves the numbers of MySQL 5.7 to 9 alone.
    """
    digits = opening.rpartition("!")[2]
    if "M" in opening:
        return dialect == "mariadb"
    return dialect == "mysql" or not digits or not 50700 <= int(digits) <= 99999


def _after_comment(sql: str, start: int) -> int:
    end = sql.find("*/", start)
    if end < 0:
        _fail(sql, start)
    return end + 2


def _fail(sql: str, position: int) -> NoReturn:
    raise DdlError(
        f"Reading a statement failed at character {position}: something opens there and never closes. "
        f"The statement is: {sql}"
    )
