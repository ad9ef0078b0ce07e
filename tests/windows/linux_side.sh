#!/bin/bash
# The Linux side of the wsl.exe stand-in: gets wsl's arguments, gives what a distro would give.
#
# WSL_STANDIN_DISTROS is a directory (a Unix path). Each file in it is a distro by that name; it holds the distro's
# environment, one NAME=VALUE a line, and nothing else of this machine's environment gets in.
# A file named .off makes WSL itself refuse, with the words in it; one named .hang makes it never answer.
set -u
distros=${WSL_STANDIN_DISTROS:?}
distro='' user=root list='' straight=''

if [ -e "$distros/.hang" ]; then
    exec sleep 600
fi
if [ -e "$distros/.off" ]; then
    iconv -f UTF-8 -t UTF-16LE "$distros/.off"
    exit 1
fi
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
    {
        printf '  %-24s%-16s%s\r\n' NAME STATE VERSION
        mark='*'
        for name in $names; do
            printf '%s %-24s%-16s%s\r\n' "$mark" "$name" Running 2
            mark=' '
        done
    } | iconv -f UTF-8 -t UTF-16LE
    exit 0
fi
distro=${distro:-$(head -n 1 <<<"$names")}
if [ ! -f "$distros/$distro" ] || [ "$user" != root ]; then
    printf 'There is no distribution with the supplied name.\r\n' | iconv -f UTF-8 -t UTF-16LE
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
