"""Character sets of MySQL and MariaDB: Python's codec for each, and decoding that never fails."""

from __future__ import annotations

import codecs
import logging
from typing import Final

_LOG: Final = logging.getLogger("io.debezium.connector.binlog.charset")

_CODECS: Final = {
    "utf8": "utf-8", "utf8mb3": "utf-8", "utf8mb4": "utf-8", "ascii": "ascii",
    "latin1": "mysql-latin1", "latin2": "iso8859_2", "latin5": "iso8859_9", "latin7": "iso8859_13",
    "greek": "iso8859_7", "hebrew": "iso8859_8", "tis620": "tis_620", "hp8": "hp_roman8",
    "cp850": "cp850", "cp852": "cp852", "cp866": "cp866", "cp932": "cp932", "sjis": "cp932",
    "cp1250": "cp1250", "cp1251": "cp1251", "cp1256": "cp1256", "cp1257": "cp1257",
    "koi8r": "koi8_r", "koi8u": "koi8_u", "macroman": "mac_roman", "macce": "mac_latin2",
    "big5": "big5hkscs", "gb2312": "gb2312", "gbk": "gbk", "gb18030": "gb18030",
    "euckr": "cp949", "ujis": "euc_jp", "eucjpms": "euc_jp",
    "ucs2": "utf-16-be", "utf16": "utf-16-be", "utf16le": "utf-16-le", "utf32": "utf-32-be",
}  # fmt: skip

_LATIN1: Final = "".join(
    bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256)
)
"""The server's latin1: cp1252, the five bytes it leaves undefined taken one to one."""


def _find(name: str) -> codecs.CodecInfo | None:
    if name != "mysql_latin1":
        return None
    return codecs.CodecInfo(
        name=name,
        encode=lambda text, errors="strict": codecs.charmap_encode(
            text, errors, codecs.charmap_build(_LATIN1)
        ),
        decode=lambda data, errors="strict": codecs.charmap_decode(data, errors, _LATIN1),
    )


codecs.register(_find)


def codec_of(charset: str | None) -> str:
    """Give the name of Python's codec for a server's character set, UTF-8 for an unknown one."""
    codec = _CODECS.get((charset or "utf8mb4").lower())
    if codec is None:
        _LOG.warning("Character set %s is not known, its columns are read as UTF-8", charset)
        return "utf-8"
    return codec


def decode_text(data: bytes, charset: str | None) -> str:
    """Decode bytes of a server's character set; what does not fit becomes U+FFFD."""
    return data.decode(codec_of(charset), "replace")
