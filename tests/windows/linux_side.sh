#!/bin/bash
# The Linux side of the wsl.exe stand-in: gets wsl's arguments, gives what a distro would give.
#
# WSL_STANDIN_DISTROS is a directory (a Unix path). Each file in it is a distro by that name; it holds the distro's
# environment, one NAME=VALUE a line, and nothing else of this machine's environment gets in.
# WSL_STANDIN_TROUBLE=hang makes it not answer for longer than anybody waits; =off makes WSL itself refuse, as where it is not installed.
set -u
# Without wsl.exe's sockets nothing that is said here would reach anybody: wsl.exe knows this status.
[ -S /dev/stdin ] || exit 251
distros=${WSL_STANDIN_DISTROS:?}
distro='' user=root list='' straight=''

# What wsl.exe itself says is UTF-16, with the line ends of Windows.
say() {
    printf '%s\r\n' "$@" | iconv -f UTF-8 -t UTF-16LE
}

case "${WSL_STANDIN_TROUBLE:-}" in
    hang) exec sleep 90 ;;
    off)
        say "The Windows Subsystem for Linux is not installed. You can install by running 'wsl.exe --install'."
        exit 1
        ;;
esac
while [ $# -gt 0 ]; do
    case "$1" in
        -d | --distribution) distro=$2; shift 2 ;;
        -u | --user) user=$2; shift 2 ;;
        --cd) cd "$2" || exit 1; shift 2 ;;
        -l | --list) list=yes; shift ;;
        -v | --verbose | -q | --quiet | --all) shift ;;
        -e | --exec) straight=yes; shift; break ;;
        --) shift; break ;;
        -*) echo "Invalid command line argument: $1"; exit 255 ;;
        *) break ;;
    esac
done

names=$(cd "$distros" && printf '%s\n' *)
if [ -n "$list" ]; then
    mark='*' lines=()
    for name in $names; do
        lines+=("$(printf '%s %-24s%-16s%s' "$mark" "$name" Running 2)")
        mark=' '
    done
    say "$(printf '  %-24s%-16s%s' NAME STATE VERSION)" "${lines[@]}"
    exit 0
fi
distro=${distro:-$(head -n 1 <<<"$names")}
if [ ! -f "$distros/$distro" ] || [ "$user" != root ]; then
    say 'There is no distribution with the supplied name.' 'Error code: Wsl/Service/WSL_E_DISTRO_NOT_FOUND'
    exit 255
fi

mapfile -t environment <"$distros/$distro"
enter=(env -i --default-signal "${environment[@]}" "WSL_DISTRO_NAME=$distro" USER=root)
if [ -n "$straight" ]; then
    exec "${enter[@]}" "$@"
elif [ $# -gt 0 ]; then
    exec "${enter[@]}" /bin/bash -c "$*"
else
    exec "${enter[@]}" /bin/bash
fi
