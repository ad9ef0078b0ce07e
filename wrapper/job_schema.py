"""How ``job.toml`` is read and checked.

Imported only by :func:`wrapper.job_config.load_job_config`, in a process that ends soon, since
pydantic is costly. What it gives back is plain. It knows how to tell a person what is wrong with
the file, and nothing of what becomes of it.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, NoReturn

import tomli
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from wrapper.boinc.files import NotRegular, read_regular
from wrapper.boinc.slot import soft_link_target
from wrapper.job_config import BadJobConfig, JobConfig, impossible

MOST_BYTES = 256 * 1024
"""A larger file is not a job.toml."""

_ALLOWED = {
    "workdir": 'a path in the container such as "/app": absolute, without "..", and not "/"',
    "project_dir_mount": 'a path in the container such as "/project": absolute, without "..", '
                         'not "/", and neither workdir nor a folder that holds it',
    "image_name": 'the name of an image, such as "docker.io/library/debian:12"',
    "build_args": "a string of options for build, quoted as for a shell, or a list of strings",
    "create_args": "a string of options for create, quoted as for a shell, or a list of strings",
    "use_gpu": "true or false",
    "web_graphics_guest_port": "a whole number from 1 to 65535",
    "mount": 'a list of strings, each as after -v: ["/data:/data:ro"]',
    "portmap": 'a list of strings, each as after -p: ["127.0.0.1:8080:80"]',
    "verbose": "0, 1 or 2",
}
_TYPES = {
    bool: "a boolean", int: "a whole number", float: "a number", str: "a string",
    list: "a list", dict: "a table",
}
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")


def _container_path(value: str) -> str:
    if not value.startswith("/") or ".." in value.split("/") or not value.isprintable():
        raise ValueError("not an absolute path without '..'")
    path = "/" + str(PurePosixPath(value)).strip("/")
    if path == "/":
        raise ValueError("the whole container cannot be mounted over")
    return path


def _image_name(value: str) -> str:
    if not _IMAGE.fullmatch(value):
        raise ValueError("not the name of an image")
    return value


def _plain(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError("empty, or holds a NUL character")
    return value


def _word(value: str) -> str:
    if "\0" in value:
        raise ValueError("holds a NUL character")
    return value


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return shlex.split(value)
    except ValueError as error:
        raise ValueError(f"cannot be split into words ({str(error).lower()})") from error


_ContainerPath = Annotated[str, AfterValidator(_container_path)]
_Words = Annotated[list[Annotated[str, AfterValidator(_word)]], BeforeValidator(_split)]
_Lines = list[Annotated[str, AfterValidator(_plain)]]


class _Schema(BaseModel):
    """The keys of ``job.toml``; strict, since a wrong type there is a mistake, not a wish."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    workdir: _ContainerPath = "/app"
    project_dir_mount: _ContainerPath | None = None
    image_name: Annotated[str, AfterValidator(_image_name)] | None = None
    build_args: _Words = []
    create_args: _Words = []
    use_gpu: bool = False
    web_graphics_guest_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    mount: _Lines = []
    portmap: _Lines = []
    verbose: Annotated[int, Field(ge=0, le=2)] = 0

    @model_validator(mode="after")
    def _project_dir_is_apart(self) -> _Schema:
        project = self.project_dir_mount
        if project is not None and PurePosixPath(self.workdir).is_relative_to(project):
            raise ValueError("project_dir_mount")
        return self


def read(path: Path, roots: Sequence[Path] = ()) -> JobConfig:
    """Read and check the file; see :func:`wrapper.job_config.load_job_config`."""
    content = _content(path, (path.parent, *roots))
    if content is None:
        return JobConfig()
    return check(_parsed(content, path.name), path.name)


def check(values: dict[str, Any], name: str) -> JobConfig:
    """The values of a parsed file, checked. ``name`` is what messages call the file.

    Raises:
        BadJobConfig: with all that is wrong, the first in the first line.
    """
    try:
        schema = _Schema.model_validate(values)
    except ValidationError as error:
        raise BadJobConfig(_told(error, values, name)) from None
    refused = impossible(schema.create_args)
    if refused:
        raise BadJobConfig(f"{name}: create_args must not hold {refused}")
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value
                             for key, value in schema.model_dump().items()}
    return JobConfig(**plain)


def _parsed(content: bytes, name: str) -> dict[str, Any]:
    try:
        return tomli.loads(content.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadJobConfig(f"{name}: not UTF-8 text (line {line}, byte {error.start})") from None
    except tomli.TOMLDecodeError as error:
        raise BadJobConfig(f"{name}: not TOML: {error}") from None
    except RecursionError:
        raise BadJobConfig(f"{name}: nested too deep to be a job.toml") from None


def _told(error: ValidationError, values: dict[str, Any], name: str) -> str:
    """Every complaint once, one line each, in the order of the file's keys."""
    lines: dict[str, str] = {}
    for complaint in error.errors(include_url=False, include_context=False, include_input=False):
        key = str(complaint["loc"][0]) if complaint["loc"] else "project_dir_mount"
        if key not in lines:
            lines[key] = _complaint(key, values, complaint["msg"], name)
    return "\n".join(lines.values())


def _complaint(key: str, values: dict[str, Any], said: str, name: str) -> str:
    if key not in _ALLOWED:
        near = difflib.get_close_matches(key, _ALLOWED, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_ALLOWED)}"
        return f"{name}: unknown key {_short(key)}: {hint}"
    why = said.removeprefix("Value error, ")
    why = f" {why};" if "cannot be split" in why else ""
    return f"{name}: {key} = {_given(values.get(key))} is wrong:{why} allowed is {_ALLOWED[key]}"


def _given(value: object) -> str:
    items = value if isinstance(value, list) else []
    odd = [_kind(item) for item in items if not isinstance(item, str)]
    return f"{_short(value)} ({_kind(value)}{f' with {odd[0]} in it' if odd else ''})"


def _kind(value: object) -> str:
    return _TYPES.get(type(value), "a date or time")


def _short(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _content(path: Path, roots: Sequence[Path]) -> bytes | None:
    """The file's content; None where there is definitely no such file."""
    if not os.path.lexists(path):
        return None
    target = soft_link_target(path) or path
    real = Path(os.path.realpath(target))
    if not any(real.is_relative_to(os.path.realpath(root)) for root in roots):
        _refuse(path, f"leads to {real}, which is neither in the slot nor in the project's folder")
    try:
        content = read_regular(real, MOST_BYTES + 1)
    except NotRegular:
        _refuse(path, "is not a regular file")
    except OSError as error:
        _refuse(path, f"cannot be read ({error.strerror}: {real})")
    if content is None:
        _refuse(path, f"stands for {real}, and there is no such file")
    if len(content) > MOST_BYTES:
        _refuse(path, f"is larger than {MOST_BYTES // 1024} KiB")
    return content


def _refuse(path: Path, why: str) -> NoReturn:
    raise BadJobConfig(f"{path.name}: {why}")
