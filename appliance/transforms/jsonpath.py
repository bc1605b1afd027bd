"""JSON paths over schemaless values and structs, as Confluent's transforms take them.

    $.address.city      $['a b'][0]      $..price      $.items[*].sku
    $[?(@.count > 5 && @.color == 'red')]      $.key[?(@ =~ /x.*/i)]

A path is compiled once; evaluating it gives the list of values it leads to. No functions, no scripts.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from appliance.data.struct import Struct
from appliance.errors import ConfigError

Step = Callable[[list[Any]], list[Any]]
Test = Callable[[Any], Any]
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<regex>/(?:[^/\\]|\\.)+/i?)|(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<sign>\.\.|&&|\|\||=~|[=!<>]=|[$@.*?()\[\],:!<>]))"
)
_ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MAX_DEPTH: Final = 50
_NOTHING: Final = object()


class JsonPath:
    """A compiled path."""

    def __init__(self, option: str, text: str) -> None:
        """Compile the value of an option. Raises ConfigError that names the place of the fault."""
        self.text = text
        self._steps = _Parser(option, text).path()

    def find(self, value: Any) -> list[Any]:
        """Give every value the path leads to."""
        return _walk(self._steps, value)


def _walk(steps: list[Step], value: Any) -> list[Any]:
    found = [value]
    for step in steps:
        found = step(found)
    return found


def _members(value: Any) -> dict[str, Any] | None:
    if isinstance(value, dict):
        return value
    if isinstance(value, Struct):
        return {field.name: value.get(field.name) for field in value.schema.fields}
    return None


def _children(value: Any) -> list[Any]:
    members = _members(value)
    if members is not None:
        return list(members.values())
    return list(value) if isinstance(value, list) else []


def _descendants(value: Any) -> Iterator[Any]:
    yield value
    for child in _children(value):
        yield from _descendants(child)


def _child(name: str) -> Step:
    def step(values: list[Any]) -> list[Any]:
        found = []
        for value in values:
            members = _members(value)
            if members is not None and name in members:
                found.append(members[name])
        return found

    return step


def _item(index: int) -> Step:
    return lambda values: [
        value[index]
        for value in values
        if isinstance(value, list) and -len(value) <= index < len(value)
    ]


def _every(values: list[Any]) -> list[Any]:
    return [child for value in values for child in _children(value)]


def _deep(values: list[Any]) -> list[Any]:
    return [inner for value in values for inner in _descendants(value)]


def _filter(test: Test) -> Step:
    def step(values: list[Any]) -> list[Any]:
        found = []
        for value in values:
            candidates = value if isinstance(value, list) else [value]
            found += [candidate for candidate in candidates if _true(test(candidate))]
        return found

    return step


def _true(value: Any) -> bool:
    return value is not _NOTHING and value is not False and value is not None


class _Parser:
    """Reads one path."""

    def __init__(self, option: str, text: str) -> None:
        self._option, self._text = option, text
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise self._fault(f"'{text[at : at + 10].strip()}' is not understood")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self._at = 0
        self._depth = 0

    def _fault(self, why: str) -> ConfigError:
        return ConfigError.invalid(self._option, self._text, f"it is no JSON path: {why}")

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise self._fault("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, sign: str) -> bool:
        if self._peek() == sign and self._tokens[self._at][0] == "sign":
            self._at += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise self._fault(f"{sign} is expected before '{self._peek()}'")

    def path(self) -> list[Step]:
        self._expect("$")
        steps = self._steps()
        if self._at < len(self._tokens):
            raise self._fault(f"'{self._peek()}' is too much")
        return steps

    def _steps(self) -> list[Step]:
        steps: list[Step] = []
        while True:
            if self._accept(".."):
                steps.append(_deep)
                if self._peek() != "[":
                    steps.append(self._name())
            elif self._accept("."):
                steps.append(self._name())
            elif self._accept("["):
                steps.append(self._bracket())
            else:
                return steps

    def _name(self) -> Step:
        kind, token = self._next()
        if token == "*" and kind == "sign":
            return _every
        if kind not in ("name", "number"):
            raise self._fault(f"a name is expected, not '{token}'")
        return _child(token)

    def _bracket(self) -> Step:
        if self._accept("*"):
            self._expect("]")
            return _every
        if self._accept("?"):
            self._expect("(")
            test = self._either()
            self._expect(")")
            self._expect("]")
            return _filter(test)
        steps: list[Step] = []
        while True:
            kind, token = self._next()
            if kind == "text":
                steps.append(_child(_unquoted(token)))
            elif kind == "number" and token.lstrip("-").isdigit():
                steps.append(_item(int(token)))
            else:
                raise self._fault(f"'{token}' is no name and no place")
            if self._accept("]"):
                return lambda values: [found for step in steps for found in step(values)]
            self._expect(",")

    # Tests.

    def _either(self) -> Test:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._fault("it is nested too deeply")
        left = self._both()
        while self._accept("||"):
            left = self._combined(left, self._both(), any)
        self._depth -= 1
        return left

    def _both(self) -> Test:
        left = self._not()
        while self._accept("&&"):
            left = self._combined(left, self._not(), all)
        return left

    @staticmethod
    def _combined(left: Test, right: Test, how: Callable[[Any], bool]) -> Test:
        return lambda value: how(_true(test(value)) for test in (left, right))

    def _not(self) -> Test:
        if self._accept("!"):
            inner = self._not()
            return lambda value: not _true(inner(value))
        if self._accept("("):
            test = self._either()
            self._expect(")")
            return test
        return self._comparison()

    def _comparison(self) -> Test:
        left = self._operand()
        sign = self._peek()
        if sign in ("==", "!=", *_ORDER):
            self._next()
            return _compared(sign, left, self._operand())
        if sign == "=~":
            self._next()
            return _matched(left, self._pattern())
        if sign in ("in", "nin"):
            self._next()
            return _listed(left, self._literals(), wanted=sign == "in")
        return left

    def _operand(self) -> Test:
        kind, token = self._next()
        if kind == "sign" and token in ("@", "$"):
            steps = self._steps()

            def get(value: Any) -> Any:
                found = _walk(steps, value)
                return found[0] if found else _NOTHING

            return get
        literal = self._literal(kind, token)
        return lambda _value: literal

    def _literal(self, kind: str, token: str) -> Any:
        if kind == "text":
            return _unquoted(token)
        if kind == "number":
            return float(token) if any(c in token for c in ".eE") else int(token)
        if token in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[token]
        raise self._fault(f"a value is expected, not '{token}'")

    def _literals(self) -> list[Any]:
        self._expect("[")
        found = []
        while not self._accept("]"):
            found.append(self._literal(*self._next()))
            self._accept(",")
        return found

    def _pattern(self) -> re.Pattern[str]:
        kind, token = self._next()
        if kind != "regex":
            raise self._fault("=~ needs a pattern between slashes")
        body, _, flags = token[1:].rpartition("/")
        try:
            return re.compile(body, re.IGNORECASE if flags == "i" else 0)
        except re.error as error:
            raise self._fault(str(error)) from error


def _same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _compared(sign: str, left: Test, right: Test) -> Test:
    if sign in ("==", "!="):
        return lambda value: _same(left(value), right(value)) == (sign == "==")
    order = _ORDER[sign]

    def test(value: Any) -> bool:
        one, other = left(value), right(value)
        if isinstance(one, str) != isinstance(other, str):
            return False
        try:
            return bool(order(one, other))
        except TypeError:
            return False

    return test


def _matched(left: Test, pattern: re.Pattern[str]) -> Test:
    def test(value: Any) -> bool:
        found = left(value)
        return isinstance(found, str) and pattern.fullmatch(found) is not None

    return test


def _listed(left: Test, values: list[Any], *, wanted: bool) -> Test:
    return lambda value: any(_same(left(value), one) for one in values) == wanted


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1])
