# Sourced by setup.sh and run.sh, with $room set: whose Wine this is, and how it talks.
export WINEPREFIX=$room/prefix
export WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
unset DISPLAY WAYLAND_DISPLAY
export LC_ALL=C.UTF-8  # names of files beyond ASCII
# Wine needs the page at 0x7ffe0000. Newer kernels put the heap of a program like Wine's loader anywhere from 0x7d000000 to
# 0xbd000000, and where it lies over that page, once in some thousand starts, the process ends before it begins: WinError 1359, or
# a console that is missing. Without random addresses that cannot be. Where these may not be switched off, it is only tried again.
fixed=(setarch "$(uname -m)" --addr-no-randomize)
"${fixed[@]}" true 2>/dev/null || fixed=()

# Wine's own server ends all that runs in it.
end_wine() {
    timeout 30 wineserver -k 2>/dev/null 9>&- || true
    timeout 30 wineserver -w 9>&- || true
}
