#!/bin/bash
# run.sh DIR WORDS: runs Windows Python with these words, in the Wine that setup.sh made in DIR; gives its exit status.
# run.sh DIR --end: ends what a run that was killed has left of Wine.
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
if [ "${1:-}" = --end ]; then
    flock --nonblock 9 || exit 0  # one runs: that is no leftover
    end_wine
    exit 0
fi
flock --timeout 1800 9
python=''
tidy() {
    trap - EXIT
    trap '' INT TERM
    [ -z "$python" ] || kill "$python" 2>/dev/null || true
    end_wine
}
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
end_wine
# Wine's services keep the standard streams of the command that starts them, for as long as they live: so none of ours.
wineserver -p >/dev/null 2>&1 9>&-
timeout 120 "${fixed[@]}" wine wineboot </dev/null >/dev/null 2>&1 9>&- || {
    echo "test-windows: Wine does not start" >&2
    exit 1
}
# Windows Python cannot start with a file as a standard stream (WinError 6): a pipe it is.
exec 8> >(exec cat 9>&-)
reader=$!
status=0
# In the background: otherwise a signal would be heeded only after its end.
"${fixed[@]}" wine "$room/py/python.exe" "$@" </dev/null >&8 2>&1 8>&- 9>&- &
python=$!
exec 8>&-
wait "$python" || status=$?
python=''
end_wine
# A program of this machine that a test left behind would hold the pipe: it is not waited for for ever.
for _ in {1..50}; do
    kill -0 "$reader" 2>/dev/null || break
    sleep 0.1
done
exit "$status"
