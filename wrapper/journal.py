"""Our standard error: the client sends it to the project's server, where people read it.

So no secret may be in it, no line may pass for another's, and trouble with writing must not end the
job. Knows no state and no engine; what to say is the caller's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import TextIO
from urllib.parse import quote

_HIDDEN = "***"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MARK = "-" * 8


class Journal:
    """Lines of ``YYYY-MM-DD HH:MM:SS docker_wrapper: text``, in local time as the client's own are.

    ``verbose`` is 0 (what a person needs), 1 (each order to the engine) or 2 (everything).
    """

    def __init__(
        self, stream: TextIO | None, secrets: Iterable[str] = (), verbose: int = 0
    ) -> None:
        # None is what Python has for a standard error that was closed before the start.
        self._stream = stream
        self._secrets: tuple[str, ...] = ()
        self.verbose = verbose
        self.hide(secrets)

    def __repr__(self) -> str:
        return f"Journal(verbose={self.verbose})"

    def hide(self, secrets: Iterable[str]) -> None:
        """Never write these from now on, as they are, percent-encoded, or as XML writes them."""
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        # The longest first: a secret that holds another must not leave its rest behind.
        self._secrets = tuple(sorted(forms | set(self._secrets), key=len, reverse=True))

    def redacted(self, text: str) -> str:
        """The text with ``***`` for each secret."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text

    def say(self, text: str) -> None:
        """A line for everybody; further lines of the text are indented below it."""
        first, *more = _printable(self.redacted(text)).split("\n")
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
        lines = [f"{stamp} docker_wrapper: {first}", *(f"    {line}" for line in more if line)]
        self._write("\n".join(lines) + "\n")

    def detail(self, text: str) -> None:
        """A line that is written when ``verbose`` is 1 or more."""
        if self.verbose >= 1:
            self.say(text)

    def trace(self, text: str) -> None:
        """A line that is written when ``verbose`` is 2."""
        if self.verbose >= 2:
            self.say(text)

    def raw(self, content: bytes, title: str = "the job's output") -> None:
        """What the job wrote, as it is, between two markers. Control characters are escaped."""
        text = self.shown(content)
        if text and not text.endswith("\n"):
            text += "\n"
        self._write(f"{_MARK} {title} {_MARK}\n{text}{_MARK} end of {title} {_MARK}\n")

    def shown(self, content: bytes) -> str:
        """How it would be written: no secret, no control character."""
        return _printable(self.redacted(content.decode("utf-8", "replace")))

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # The disk is full, the stream is closed, or its encoding lacks a character: the job's
            # result is worth more than a line about it, and there is nobody left to tell.
            return


def _forms(secret: str) -> set[str]:
    text = secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {secret, quote(secret, safe=""), quote(secret), text}


def _printable(text: str) -> str:
    text = text.replace("\r\n", "\n").rstrip("\n")
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
