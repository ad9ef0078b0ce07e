"""What is said to a shell inside a WSL distro: words quoted one by one, and small programs for a
POSIX `sh` that need nothing but its builtins.

Pure: texts in, texts out. Who says them to whom, and what comes back, is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wrapper.engine.hosts.base import Order

ABSENT = "absent"
"""Stands for an exit status where the shell finds no such command."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Variables that change what an engine says or how it starts; see the same in hosts.local.
_NOT_KEPT = (
    "LANGUAGE LANG LC_MESSAGES NOTIFY_SOCKET LISTEN_FDS LISTEN_PID LISTEN_FDNAMES "
    "BUILDKIT_PROGRESS DOCKER_CONTENT_TRUST DOCKER_DEFAULT_PLATFORM"
)
# First of all: WSL appends Windows' own folders, which are slow to search.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEAF = "trap '' HUP INT TERM PIPE"


def quoted(word: str) -> str:
    """A word as a shell takes it for itself, whatever is in it.

    Raises:
        ValueError: it holds a NUL, which no word can.
    """
    if "\0" in word:
        raise ValueError("a NUL in a word")
    return "'" + word.replace("'", "'\\''") + "'"


class Marks(NamedTuple):
    """What stands before and after an answer, in each of the two streams.

    The token is random and fresh for each answer, and the shell puts it together from two halves:
    so neither what a command says nor an echo of what the shell was told can look like it.
    """

    token: str

    @property
    def begin(self) -> bytes:
        """The line in front of an answer."""
        return f"{self.token}<\n".encode()

    @property
    def end(self) -> bytes:
        """What follows an answer; then comes the exit status, and the line's end."""
        return f"{self.token}> ".encode()

    def around(self, program: str) -> str:
        """A program with its answer marked; it leaves its exit status in `$s`."""
        half = len(self.token) // 2
        one, two = self.token[:half], self.token[half:]
        begin = f"printf '%s%s<\\n' {one} {two}"
        end = f"printf '%s%s> %s\\n' {one} {two} \"$s\""
        return f"{begin};{begin} >&2\n{program}\n{end};{end} >&2\n"


def carried_out(order: Order) -> str:
    """The program that carries out an order, in a subshell of its own.

    The order's environment is exported there by a builtin: it is in no argument vector, and gone
    with the subshell.

    Raises:
        ValueError: a word or a value holds a NUL, a name is none, or there are no words.
    """
    if not order.words:
        raise ValueError("no words")
    line = command(order.words, order.environment)
    found = f"command -v {quoted(order.words[0])} >/dev/null 2>&1"
    return f"if {found};then {line} </dev/null;s=$?;else s={ABSENT};fi"


def command(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """A command with variables of its own.

    Raises:
        ValueError: as for :func:`carried_out`.
    """
    exports = ""
    for name, value in environment.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a variable")
        exports += f"export {name}={quoted(value)};"
    return f"({exports}exec {' '.join(quoted(word) for word in words)})"


def hello(marks: Marks, names: Sequence[str], deaf: bool) -> str:
    """The first line said to whatever shell the distro's user has: become a plain `sh`.

    The answer is its process number and its directory. ``names`` show in its list of arguments.
    A ``deaf`` one survives the end of who started it until it has read all that it was told.
    """
    settle = (
        f'unset {_NOT_KEPT};LC_ALL=C;PATH="{_PATH}:$PATH";export LC_ALL PATH;'
        + (f"{_DEAF};" if deaf else "")
    )
    tell = 'printf "%s %s" "$$" "$(pwd -P)";s=0'
    become = "exec /bin/sh -s " + " ".join(names)
    program = (settle + marks.around(tell) + become).replace("\n", ";").replace(";;", ";")
    return f"exec /bin/sh -c {quoted(program)}\n"


def read_file(path: str) -> str:
    """Say a file's text; status 1: there is none, 2: it cannot be read. NULs are lost."""
    p = quoted(path)
    return (
        f"s=0;if [ -d {p} ];then s=2;else {{ while IFS= read -r l;do printf '%s\\n' \"$l\";done;"
        f"printf %s \"$l\"; }} 2>/dev/null <{p} ||s=2;[ $s = 0 ]||[ -e {p} ]||s=1;fi"
    )


def write_file(path: str, content: str) -> str:
    """Write into a file that exists; status 1: that failed."""
    p = quoted(path)
    return f"s=1;[ -f {p} ]&&{{ printf %s {quoted(content)} >{p}; }} 2>/dev/null&&s=0"


def process_line(pid: int) -> str:
    """Say /proc/PID/stat, which is a single line; status 1: there is no such process."""
    return f"s=1;{{ IFS= read -r l </proc/{pid:d}/stat; }} 2>/dev/null&&printf %s \"$l\"&&s=0"


def guard(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Arm the dead man's switch: what the shell does when its input has ended.

    Raises:
        ValueError: as for :func:`carried_out`.
    """
    line = command(words, environment)
    return (
        f"guard() {{ n=0;until {line} </dev/null >/dev/null 2>&1||[ $n -ge 30 ];"
        "do n=$((n+1));sleep 1;done; }\ntrap guard EXIT\ns=0"
    )


DISARM = "trap - EXIT;s=0"


def others(mark: str, nonce: str) -> str:
    """Say the processes that carry a mark among their arguments, but not the nonce."""
    return (
        "for d in /proc/[0-9]*;do l=;IFS= read -r l <$d/cmdline;"
        f"case \"$l\" in *{nonce}*);;*{mark}*)printf '%s ' ${{d#/proc/}};;esac;done 2>/dev/null;s=0"
    )


_KIN = """kin=" %d ";new=1
while [ $new = 1 ];do new=0;for d in /proc/[0-9]*;do p=${d#/proc/}
case "$kin" in *" $p "*)continue;;esac
IFS= read -r l <$d/stat||continue;set -- ${l##*") "}
case "$kin" in *" $2 "*)kin="$kin$p ";new=1;;esac;done;done 2>/dev/null
"""


def end_strays(shell: int) -> str:
    """End a shell's descendants that have left its session; says how many there were."""
    return (
        f"n=0;{_KIN % shell}IFS= read -r l </proc/{shell:d}/stat;set -- ${{l##*\") \"}};own=$4\n"
        "for p in $kin;do IFS= read -r l </proc/$p/stat||continue;set -- ${l##*\") \"}\n"
        "[ \"$4\" = \"$own\" ]||{ kill -9 $p&&n=$((n+1)); };done 2>/dev/null;printf %s $n;s=0"
    )


def end_all(shell: int) -> str:
    """End a shell with all its descendants, also those they start meanwhile."""
    return (
        f"i=0;while [ $i -lt 5 ];do i=$((i+1));{_KIN % shell}"
        f"for p in $kin;do [ $p = {shell:d} ]||kill -9 $p;done 2>/dev/null\n"
        f"[ \"$kin\" = ' {shell:d} ' ]&&break;done;kill -9 {shell:d} 2>/dev/null;s=0"
    )
