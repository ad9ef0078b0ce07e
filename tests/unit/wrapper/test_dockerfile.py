"""What a Dockerfile says before it is built."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.dockerfile import Uncertain, base_images, copied_names, instructions


@pytest.mark.parametrize(("text", "images"), [
    ("FROM debian:12", ("debian:12",)),
    ("from debian:12\nRUN x", ("debian:12",)),
    ("FROM scratch", ()),
    ("FROM --platform=linux/amd64 debian", ("debian",)),
    ("FROM --platform=$BUILDPLATFORM debian AS b", ("debian",)),
    ("ARG V=12\nFROM debian:$V", ()),
    ("FROM golang AS Build\nFROM build\nFROM debian", ("golang", "debian")),
    ("FROM debian\nFROM debian", ("debian",)),
    ("FROM a AS b\nFROM ${X}\nFROM c@sha256:00", ("a", "c@sha256:00")),
    ("# FROM no\n\n\tFROM \\\n  # note\n\n  debian:12\n", ("debian:12",)),
    ("# escape=`\nFROM `\n mcr/windows\n", ("mcr/windows",)),
    ("# syntax=docker/dockerfile:1\n# escape=`\nFROM `\nx", ("x",)),
    ("FROM a\nRUN <<EOF\nFROM b\nEOF\nFROM c", ("a", "c")),
    ("FROM a\nCOPY <<-'X' <<\"Y\" /\nFROM b\n  X\nFROM c\nY\nFROM d", ("a", "d")),
    ("FROM a\nRUN echo $((x<<y))\nFROM b", ("a", "b")),
    ("FROM a\r\nFROM b\r\n", ("a", "b")),
    ("\ufeffFROM a", ("a",)),
    ("FROM", ()),
    ("", ()),
])
def test_base_images_are_those_from_outside(text: str, images: tuple[str, ...]) -> None:
    assert base_images(text) == images


@pytest.mark.parametrize(("text", "names"), [
    ("FROM a\nRUN make", set()),
    ("RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t make", set()),
    ("COPY main /bin/main", {"main"}),
    ("COPY ./main /data/set.bin dir/sub/ /x/", {"main", "data", "dir"}),
    ('COPY ["a file", "b", "/x/"]', {"a file", "b"}),
    ("COPY --from=build /out /bin/", set()),
    ("COPY --chown=1:1 --chmod=755 main /", {"main"}),
    ("ADD https://example.org/x.tar main.tar.gz /", {"main.tar.gz"}),
    ("ADD git@example.org:x.git /x", set()),
    ("COPY <<EOF /etc/conf\nCOPY no /\nEOF\nCOPY yes /", {"yes"}),
    ("copy lower /", {"lower"}),
    ("COPY dir/*.txt /", {"dir"}),
    ("COPY a \\\n  b \\\n  /to/", {"a", "b"}),
])
def test_copied_names_are_the_tops_of_the_sources(text: str, names: set[str]) -> None:
    assert copied_names(text) == names


@pytest.mark.parametrize("text", [
    "COPY . /app", "COPY ./ /app", "COPY / /app", "ADD *.txt /", "COPY $FILES /", "COPY a/${B} /",
    "COPY ../x /", "RUN --mount=type=bind,target=/x make",
    "RUN --mount=source=data,target=/x make",
    "RUN --mount=type=cache,target=/c --mount=target=/x make",
    "FROM python:3-onbuild", "COPY a? /",
    "COPY [no json /",
])
def test_a_dockerfile_that_does_not_say_what_it_takes_is_uncertain(text: str) -> None:
    with pytest.raises(Uncertain):
        copied_names(text)


@given(st.text(st.sampled_from("FROMCPY \\\n#<\"'[]$-=ab./`\t")))
def test_any_text_is_read_in_bounded_steps(text: str) -> None:
    assert len(list(instructions(text))) <= text.count("\n") + 1
    assert all(image for image in base_images(text))
