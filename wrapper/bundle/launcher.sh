#!/bin/sh
# docker_wrapper, build @BUILD@: the main program of a BOINC app version. Behind these lines lies an archive with the
# program and all it needs but Python. It is unpacked once, beside this file, and run from there. `exec` keeps the
# process that the client started, so that the client's signals and what it reckons of us go on to mean the right one.
# BOINC's update_versions looks for the next line; without it a client would speak an older protocol with us.
# API_VERSION_7.20.0
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
store=$(cd "$here" && pwd -P)/docker_wrapper.d
# A client that is started by the system may have a bare PATH; engines are looked for on it as well.
export PATH="${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin"

run() {
    [ ! -x "$1/python" ] || exec "$1/python" -IS "$@"
}

for version in @VERSIONS@; do
    run "$store/@BUILD@-$version" "$@"
done

why='docker_wrapper needs Python, one of @VERSIONS@: please install one on this computer'
for version in @VERSIONS@; do
    # The system's own come first: what is called so elsewhere may be a stand-in that works for some users only.
    for python in "/usr/bin/python$version" "/usr/local/bin/python$version" "$(command -v "python$version")"; do
        [ -x "$python" ] || continue
        why="docker_wrapper could not be unpacked into $store: is the disk full, may the client write there?"
        home=$store/@BUILD@-$version
        ! "$python" -IS "$0" --unpack-into "$home" || run "$home" "$@"
    done
done
# Nothing of the job has been done, and nothing is lost: ask to be started again in six hours, and let the volunteer know.
echo "$why" >&2
printf '21600\n%s\nnotice\n' "$why" >boinc_temporary_exit
exit 0
