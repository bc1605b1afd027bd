"""A small, safe expression language over records: no calls into Python, no loops, always ends.

    value.after.valor > 22 && topic.startsWith("sensors.")
    value.op == 'u' ? 'updates' : null

Names: `key`, `value` and their fields, `topic`, `partition`, `timestamp`, `headers.NAME`. Operators by
rising strength: `? :`, `||`/`or`, `&&`/`and`, `!`/`not`, comparisons, `+ -`, `* / %`. A field of null is
null; comparing null with an order is false. Texts have `startsWith`, `endsWith`, `contains`, `matches`.
An expression is compiled once per pair of schemas into closures over one row.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from appliance.data import Schema, Type
from appliance.data.regex import JavaPattern
from appliance.data.struct import Struct
from appliance.errors import ConfigError, DataError


class Row(NamedTuple):
    """What an expression sees of one record: key and value are rows."""

    key: Any
    value: Any
    topic: str | None
    partition: int | None
    timestamp: int | None
    headers: dict[str, Any]


Evaluate = Callable[[Row], Any]
Compile = Callable[[Schema | None, Schema | None], Evaluate]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<name>[A-Za-z_$][A-Za-z0-9_$]*)|(?P<sign>\?\.|&&|\|\||[=!<>]=|[-+*/%<>!?:().\[\],]))"
)
_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}
_WORDS: Final = {"and": "&&", "or": "||", "not": "!"}
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_METHODS: Final[dict[str, Callable[[str, str], bool]]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": lambda text, part: part in text,
    "matches": lambda text, pattern: JavaPattern.option("matches", pattern).matches(text),
}
_MAX_DEPTH: Final = 50


class Expression:
    """A parsed expression; `compile` gives the function for records of two schemas."""

    def __init__(self, option: str, text: str) -> None:
        """Parse. Raises ConfigError that names the place of the fault."""
        self.text = text
        self._compile = _Parser(option, text).parse()

    def compile(self, key_schema: Schema | None, value_schema: Schema | None) -> Evaluate:
        """Give the function over rows of these schemas. It raises DataError."""
        evaluate = self._compile(key_schema, value_schema)

        def checked(row: Row) -> Any:
            try:
                return evaluate(row)
            except (TypeError, ValueError, ArithmeticError, KeyError) as error:
                raise DataError(
                    f"The expression {self.text} cannot be evaluated for a record: {error}"
                ) from error

        return checked


class _Parser:
    def __init__(self, option: str, text: str) -> None:
        self.option, self.text = option, text
        self.tokens: list[tuple[str, str, int]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise self.fault(at + len(text[at:]) - len(text[at:].lstrip()))
            kind = match.lastgroup or ""
            word = match.group(kind)
            sign = _WORDS.get(word) if kind == "name" else None
            self.tokens.append(
                ("sign", sign, match.start(kind)) if sign else (kind, word, match.start(kind))
            )
            at = match.end()
        self.tokens.append(("end", "", len(text)))
        self.at = 0
        self.depth = 0

    def fault(self, place: int) -> ConfigError:
        return ConfigError.invalid(
            self.option, self.text, f"The expression cannot be read at character {place + 1}"
        )

    def sign(self, *signs: str) -> str | None:
        kind, text, _ = self.tokens[self.at]
        if kind == "sign" and text in signs:
            self.at += 1
            return text
        return None

    def need(self, sign: str) -> None:
        if self.sign(sign) is None:
            raise self.fault(self.tokens[self.at][2])

    def parse(self) -> Compile:
        found = self.choice()
        if self.tokens[self.at][0] != "end":
            raise self.fault(self.tokens[self.at][2])
        return found

    def choice(self) -> Compile:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.fault(self.tokens[self.at][2])
        condition = self.either()
        if self.sign("?"):
            yes = self.choice()
            self.need(":")
            condition = _choice(condition, yes, self.choice())
        self.depth -= 1
        return condition

    def either(self) -> Compile:
        found = self.both()
        while self.sign("||"):
            found = _logical(found, self.both(), stop=True)
        return found

    def both(self) -> Compile:
        found = self.negation()
        while self.sign("&&"):
            found = _logical(found, self.negation(), stop=False)
        return found

    def negation(self) -> Compile:
        negated = False
        while self.sign("!"):
            negated = not negated
        found = self.comparison()
        return _unary(found, operator.not_) if negated else found

    def comparison(self) -> Compile:
        found = self.sum()
        sign = self.sign("==", "!=", *_COMPARE)
        return found if sign is None else _comparison(sign, found, self.sum())

    def sum(self) -> Compile:
        found = self.product()
        while (sign := self.sign("+", "-")) is not None:
            found = _binary(_ARITHMETIC[sign], found, self.product())
        return found

    def product(self) -> Compile:
        found = self.minus()
        while (sign := self.sign("*", "/", "%")) is not None:
            found = _binary(_ARITHMETIC[sign], found, self.minus())
        return found

    def minus(self) -> Compile:
        if self.sign("-"):
            return _unary(self.postfix(), operator.neg)
        return self.postfix()

    def postfix(self) -> Compile:
        kind, text, place = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return _constant(float(text) if re.search(r"[.eE]", text) else int(text))
        if kind == "text":
            return _constant(re.sub(r"\\(.)", r"\1", text[1:-1]))
        if kind == "sign" and text == "(":
            found = self.choice()
            self.need(")")
            return found
        if kind != "name":
            raise self.fault(place)
        if text in _CONSTANTS:
            return _constant(_CONSTANTS[text])
        return self.path(text, place)

    def path(self, root: str, place: int) -> Compile:
        names: list[str] = []
        while True:
            if self.sign(".", "?."):
                kind, name, at = self.tokens[self.at]
                if kind != "name":
                    raise self.fault(at)
                self.at += 1
                if name in _METHODS and self.sign("("):
                    argument = self.choice()
                    self.need(")")
                    return _method(_METHODS[name], self.named(root, names, place), argument)
                names.append(name)
            elif self.sign("["):
                kind, name, at = self.tokens[self.at]
                if kind != "text":
                    raise self.fault(at)
                self.at += 1
                names.append(name[1:-1])
                self.need("]")
            else:
                return self.named(root, names, place)

    def named(self, root: str, names: list[str], place: int) -> Compile:
        if root in ("key", "value"):
            return _field(root, names)
        if root == "headers" and names:
            return lambda _k, _v: lambda row: row.headers.get(names[0])
        if root in ("topic", "partition", "timestamp") and not names:
            get = operator.attrgetter(root)
            return lambda _k, _v: get
        raise self.fault(place)


def _constant(value: Any) -> Compile:
    return lambda _k, _v: lambda _row: value


def _unary(one: Compile, function: Callable[[Any], Any]) -> Compile:
    def compiled(key: Schema | None, value: Schema | None) -> Evaluate:
        get = one(key, value)
        return lambda row: function(get(row))

    return compiled


def _binary(function: Callable[[Any, Any], Any], one: Compile, other: Compile) -> Compile:
    def compiled(key: Schema | None, value: Schema | None) -> Evaluate:
        left, right = one(key, value), other(key, value)
        return lambda row: function(left(row), right(row))

    return compiled


def _comparison(sign: str, one: Compile, other: Compile) -> Compile:
    if sign in ("==", "!="):
        return _binary(operator.eq if sign == "==" else operator.ne, one, other)
    compare = _COMPARE[sign]
    return _binary(
        lambda left, right: left is not None and right is not None and compare(left, right),
        one,
        other,
    )


def _method(function: Callable[[str, str], bool], one: Compile, argument: Compile) -> Compile:
    return _binary(
        lambda text, part: isinstance(text, str) and part is not None and function(text, part),
        one,
        argument,
    )


def _logical(one: Compile, other: Compile, *, stop: bool) -> Compile:
    def compiled(key: Schema | None, value: Schema | None) -> Evaluate:
        left, right = one(key, value), other(key, value)
        return lambda row: stop if bool(left(row)) is stop else bool(right(row))

    return compiled


def _choice(condition: Compile, yes: Compile, no: Compile) -> Compile:
    def compiled(key: Schema | None, value: Schema | None) -> Evaluate:
        test, first, second = condition(key, value), yes(key, value), no(key, value)
        return lambda row: first(row) if test(row) else second(row)

    return compiled


def _field(root: str, names: list[str]) -> Compile:
    """Give the way to a field: places through structs of a schema, names through maps."""

    def compiled(key: Schema | None, value: Schema | None) -> Evaluate:
        schema = key if root == "key" else value
        steps: list[Any] = []
        for name in names:
            if schema is not None and schema.type is Type.STRUCT:
                field = schema.field(name)
                if field is None:
                    raise DataError(f"{name} is not a valid field name")
                steps.append(field.index)
                schema = field.schema
            else:
                steps.append(name)
                is_map = schema is not None and schema.type is Type.MAP
                schema = schema.value_schema if schema is not None and is_map else None
        start = 0 if root == "key" else 1
        return lambda row: _follow(row[start], steps)

    return compiled


def _follow(found: Any, steps: list[Any]) -> Any:
    for step in steps:
        if found is None:
            return None
        if isinstance(found, (Struct, dict)):
            found = found.get(step)
        elif isinstance(found, tuple):
            found = found[step]
        else:
            raise TypeError(f"{step} is asked of a value without fields")
    return found
