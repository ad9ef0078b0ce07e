#!/bin/bash
# run.sh DIR WORDS: runs Windows Python with these words, in the Wine that setup.sh made in DIR; gives its exit status.
set -euo pipefail
room=${1:?directory}
here=$(cd "$(dirname "$0")" && pwd)
shift
. "$here/environment.sh"
PYTHONPATH=Z:$(cd "$here/../.." && pwd | tr / '\\')
export PYTHONPATH PYTHONDONTWRITEBYTECODE=1
export WSL_STANDIN=$here/linux_side.sh

# One run at a time; what an earlier one left, that was killed, goes first.
exec 9>"$room.lock"
flock 9
wineserver -k 2>/dev/null 9>&- || true
wineserver -w 9>&-
# Wine's services keep the standard streams of the command that starts them, for as long as they live: so none of ours.
wineserver -p >/dev/null 2>&1 9>&-
wine wineboot </dev/null >/dev/null 2>&1 9>&-
# Windows Python cannot start with a file as a standard stream (WinError 6): a pipe it is.
exec 8> >(exec cat 9>&-)
reader=$!
status=0
wine "$room/py/python.exe" "$@" </dev/null >&8 2>&1 8>&- 9>&- || status=$?
exec 8>&-
wineserver -k 2>/dev/null 9>&- || true
# A program of this machine that a test left behind would hold the pipe: it is not waited for for ever.
for _ in {1..50}; do
    kill -0 "$reader" 2>/dev/null || break
    sleep 0.1
done
exit "$status"
