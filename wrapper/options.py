"""The command line the BOINC client gives us: a few options are ours, all else is the job's.

Knows the same options as BOINC's docker_wrapper in C++, so that an application can change from one
to the other. Knows nothing of what the options lead to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class BadOptions(Exception):
    """The command line cannot be understood; says which word, and what was expected."""


class Options(NamedTuple):
    """What the command line said.

    ``config`` and ``dockerfile`` are names in the slot; ``words`` are the job's own, in their
    order.
    """

    verbose: bool = False
    config: str = "job.toml"
    dockerfile: str = "Dockerfile"
    sporadic: bool = False
    words: tuple[str, ...] = ()


def parse(argv: Sequence[str]) -> Options:
    """Read the words after the program's name.

    ``--verbose``, ``--sporadic``, ``--config FILE`` and ``--dockerfile FILE`` are recognised
    wherever they stand (the client puts the application's words before the workunit's), up to a
    lone ``--``. Every other word goes to the job untouched, and so do the ``--`` and all that
    follows it. Said twice, the last counts.

    Raises:
        BadOptions: an option that needs a file's name has none.
    """
    options = Options()
    words: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word == "--":
            words += [word, *rest]
        elif word == "--verbose":
            options = options._replace(verbose=True)
        elif word == "--sporadic":
            options = options._replace(sporadic=True)
        elif word == "--config":
            options = options._replace(config=_file_name(word, rest))
        elif word == "--dockerfile":
            options = options._replace(dockerfile=_file_name(word, rest))
        else:
            words.append(word)
    return options._replace(words=tuple(words))


def _file_name(option: str, rest: Iterator[str]) -> str:
    name = next(rest, "")
    if not name or name.startswith("--"):
        said = f"{name!r} follows" if name else "nothing follows"
        raise BadOptions(f"{option} needs the name of a file in the slot, but {said}")
    return name
