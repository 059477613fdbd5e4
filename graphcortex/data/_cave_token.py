"""A token that is never shown: not by ``repr``, nor in messages, errors and log lines that hold it in another spelling."""

from __future__ import annotations

import base64
import contextlib
import logging
import re
from collections.abc import Iterator
from urllib.parse import quote

MASK = "***"

_SHORTEST = 8
"""Characters of the shortest token that is hidden: what replaces a shorter one, as given to a test server, would garble text."""

_CLIENTS = ("caveclient", "requests", "urllib3")
"""Packages whose log lines may hold a URL or a header."""


class Token(str):
    """The token of an account. White space around it, such as the line end of a file, is no part of it."""

    __slots__ = ()

    def __new__(cls, value: str):
        """Make a token.

        Raises:
            ValueError: If it cannot be sent in a header. The message does not show it.
        """
        if not isinstance(value, str):
            raise ValueError(f"token must be a text, got a value of type {type(value).__name__}.")
        value = value.strip()
        wrong = next((place for place, char in enumerate(value, 1) if not "!" <= char <= "~"), None)
        if not value or wrong:
            what = f"one whose character {wrong} of {len(value)} is not" if value else "an empty one"
            raise ValueError(f"token must be one word of printable ASCII characters, got {what}; copy it anew.")
        return super().__new__(cls, value)

    def __repr__(self) -> str:
        return f"Token({MASK!r})"


class Mask:
    """Replaces a token in text, in whatever spelling: plain, percent-encoded, escaped, or within base64.

    Args:
        token: The token, or None where there is none to hide.
    """

    def __init__(self, token: str | None):
        spellings = []
        if token and len(token) >= _SHORTEST:
            spellings = ["".join(map(_spellings, token)), *map(re.escape, _base64_cores(token))]
        self._pattern = re.compile("|".join(spellings)) if spellings else None

    def __call__(self, text: str) -> str:
        """Return the text with a mask in place of the token."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    @contextlib.contextmanager
    def in_logs(self) -> Iterator[None]:
        """Mask the token in what the packages below this one log, as long as the block lasts."""
        if self._pattern is None:
            yield
            return
        names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _CLIENTS]
        for name in names:
            logging.getLogger(name).addFilter(self._mask_record)
        try:
            yield
        finally:
            for name in names:
                logging.getLogger(name).removeFilter(self._mask_record)

    def _mask_record(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = self(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


def _spellings(char: str) -> str:
    r"""Return a pattern of what stands for one character: itself, %41, %2541, \x41, A, &#65; or &#x41;."""
    code = f"{ord(char):02x}"
    digits = "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in code)
    html = f"&#(?:0*{ord(char)}|[xX]0*{digits});"
    return rf"(?:{html}|%(?:25)*{digits}|\\+(?:x|u00|U000000){digits}|\\*{re.escape(char)})"


def _base64_cores(token: str) -> Iterator[str]:
    """Yield what base64 makes of a token wherever it stands in a longer text, in both alphabets, also percent-encoded.

    Three bytes become four characters, so a text has three spellings; at both ends a character may depend on neighbours too.
    """
    for before in range(3):
        padded = b"\0" * before + token.encode()
        length = len(padded) * 8 // 6  # characters that depend on these bytes alone
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            core = encode(padded).decode()[-(-before * 8 // 6) : length]
            yield from (text for text in {core, quote(core, safe="")} if len(text) > 3)
