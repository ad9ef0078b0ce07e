# Sourced by setup.sh and run.sh, with $room set: whose Wine this is, and how it talks.
export WINEPREFIX=$room/prefix
export WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
unset DISPLAY WAYLAND_DISPLAY
export LC_ALL=C.UTF-8  # names of files beyond ASCII
