"""A BOINC client played by a process of its own, which knows nothing of the code it is to test.

Started with the path of a ``boinc_mmap_file`` it makes that file; then it obeys lines of its
standard input and answers each with one line: ``put CHANNEL TEXT`` (``ok`` or ``full``) and ``get
CHANNEL`` (``text ...`` or ``empty``), channels by their number. It ends with its standard input.
"""

from __future__ import annotations

import mmap
import sys


def put(memory: mmap.mmap, start: int, text: bytes) -> str:
    """As the client's own ``send_msg`` does."""
    if memory[start]:
        return "full"
    memory[start + 1 : start + 2 + len(text)] = text + b"\0"
    memory[start] = 1
    return "ok"


def get(memory: mmap.mmap, start: int) -> str:
    """As the client's own ``get_msg`` does."""
    if not memory[start]:
        return "empty"
    text = memory[start + 1 : start + 1024].split(b"\0")[0]
    memory[start] = 0
    return "text " + text.decode().replace("\n", "|")


def main() -> None:
    """Obey until there is nobody to obey."""
    with open(sys.argv[1], "w+b") as file:
        file.truncate(8192)
        memory = mmap.mmap(file.fileno(), 8192)
    print("ready", flush=True)
    for line in sys.stdin:
        verb, number, *text = line.rstrip("\n").split(" ", 2)
        start = int(number) * 1024
        answer = put(memory, start, text[0].encode()) if verb == "put" else get(memory, start)
        print(answer, flush=True)
    memory.close()


if __name__ == "__main__":
    main()
