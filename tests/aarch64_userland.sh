#!/bin/sh
# Makes what tests/workers/test_aarch64.py needs, on Debian: qemu-user newer than 7.2, which crashes when ONNX Runtime
# is imported, a Python for aarch64, and wheels for it. Nothing is installed on this machine.
#
#     sh tests/aarch64_userland.sh FOLDER
#     EDGEBENCH_AARCH64=FOLDER python -m pytest tests/workers/test_aarch64.py
set -eu
folder=$(realpath -m "$1")
here=$(dirname "$(realpath "$0")")
mkdir -p "$folder/debs" "$folder/root" "$folder/qemu" "$folder/wheels" "$folder/site"
signed="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian"

fetch() { # architecture, suite, packages
    state="$folder/apt-$1"
    architecture=$1 suite=$2
    shift 2
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    printf 'deb %s bookworm main\ndeb %s bookworm-backports main\n' "$signed" "$signed" > "$state/sources.list"
    set -- -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" \
        -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$state/lists" \
        -o "Dir::Cache=$state/cache" -o Dir::State::status=/dev/null -- "$@"
    options=""
    while [ "$1" != -- ]; do options="$options $1"; shift; done
    shift
    # shellcheck disable=SC2086 # options are words without spaces
    apt-get -q $options update
    # shellcheck disable=SC2086
    (cd "$folder/debs" && apt-get -q $options -t "$suite" download "$@")
}

fetch "$(dpkg --print-architecture)" bookworm-backports qemu-user
for package in "$folder"/debs/qemu-user_*.deb; do dpkg -x "$package" "$folder/qemu"; done
fetch arm64 bookworm libc6 libstdc++6 libgcc-s1 python3.11 python3.11-minimal libpython3.11-minimal libpython3.11-stdlib \
    zlib1g libexpat1 libffi8 libssl3 libbz2-1.0 liblzma5 libsqlite3-0 libuuid1 libcrypt1
for package in "$folder"/debs/*_arm64.deb; do dpkg -x "$package" "$folder/root"; done

platforms="--platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_17_aarch64 \
    --platform manylinux2014_aarch64"
version=$(sed -n 's/^onnxruntime==//p' "$here/../constraints.txt")
# shellcheck disable=SC2086
python3 -m pip install --target "$folder/site" --only-binary=:all: --python-version 3.11 $platforms \
    numpy psutil pydantic "onnxruntime==$version"
echo "made: EDGEBENCH_AARCH64=$folder"
