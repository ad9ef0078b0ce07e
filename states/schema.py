"""Reads a state file that anything may have happened to: torn, garbage, of another version,
touched by the job.

It alone knows the schema as pydantic sees it, and how older versions become the present one. It
costs 19 MiB to import, so whoever needs it imports it when there is a file to read, best in a
process that ends soon.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from states.record import SCHEMA_VERSION, Change, Container, Engine, Image, Job, Record, moment
from states.table import Outcome, State

MOST = 1 << 20
"""Bytes of a state file that are looked at; one that this program wrote is far smaller."""


class BadRecord(Exception):
    """It is no state file that can be gone on from. Says why, never what it contained at length."""


def _checked_moment(text: str) -> str:
    moment(text)
    return text


_Moment = Annotated[str, AfterValidator(_checked_moment)]
_Seconds = Annotated[float, Field(ge=0)]
_Count = Annotated[int, Field(ge=0, lt=1 << 63)]
_Port = Annotated[int, Field(ge=1, le=65535)]
_Name = Annotated[str, Field(min_length=1)]
_ExitCode = Annotated[int, Field(ge=-(1 << 31), lt=1 << 32)]


class _Model(BaseModel):
    """Strict types; keys that are not known are left out, so that a later program may add some
    to this version.
    """

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class _Engine(_Model):
    type: Literal["docker", "podman"]
    version: str = ""
    distro: str | None = None


class _Image(_Model):
    name: _Name
    id: str = ""


class _Container(_Model):
    name: _Name
    id: str = ""


class _Job(_Model):
    project: str
    workunit: str
    result: str


class _Change(_Model):
    at: str
    event: str
    source: str = Field(alias="from")
    target: str = Field(alias="to")
    note: str = ""


class _Record(_Model):
    schema_version: Literal[1]
    state: State
    outcome: Outcome | None
    error: str | None
    engine: _Engine | None
    image: _Image | None
    container: _Container | None
    job: _Job
    cpu_time: _Seconds
    cpu_time_before: _Seconds = 0.0
    exit_code: _ExitCode | None = None
    boot_id: str
    wrapper_pid: _Count
    created_at: _Moment
    updated_at: _Moment
    run_started: _Moment | None = None
    cut_off_id: str | None = None
    held: bool = False
    engine_away: bool = False
    temporary_exits: _Count = 0
    graphics_port: _Port | None = None
    web: str | None = None
    logged: bool = False
    history: list[_Change] = Field(max_length=1000)


MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From a version to the next one: what turns a file of version N into one of N + 1. Version 1
is the first.
"""


def read_record(text: str | bytes) -> Record:
    """The record that a state file holds.

    Raises:
        BadRecord: it holds none, for whatever reason; no other exception leaves here.
    """
    tree = migrated(_parsed(text))
    try:
        return _as_record(_Record.model_validate_json(json.dumps(tree)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise BadRecord(f"the state file is not valid: {where}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"the state file cannot be read: {error}") from None


def migrated(tree: dict[str, Any]) -> dict[str, Any]:
    """The same record in the present version.

    Raises:
        BadRecord: it has no version, a newer one, or one that nobody can bring up to date.
    """
    version = tree.get("schema_version")
    if type(version) is not int:
        raise BadRecord("the state file does not say its schema_version as a number")
    if version > SCHEMA_VERSION:
        raise BadRecord(
            f"the state file was written by a newer program: it has schema version {version}, "
            f"and this program knows versions up to {SCHEMA_VERSION}"
        )
    while version < SCHEMA_VERSION:
        if version not in MIGRATIONS:
            raise BadRecord(
                f"the state file has schema version {version}, which nobody can read any more"
            )
        try:
            tree = MIGRATIONS[version](tree)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise BadRecord(
                f"the state file's schema version {version} cannot be brought up to date: {error!r}"
            ) from None
        version += 1
    return tree


def _parsed(text: str | bytes) -> dict[str, Any]:
    if len(text) > MOST:
        raise BadRecord(f"the state file is larger than {MOST} bytes")
    try:
        tree = json.loads(text if isinstance(text, str) else text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"the state file is not whole JSON: {error}") from None
    if not isinstance(tree, dict):
        raise BadRecord(f"the state file does not hold a JSON object but a {type(tree).__name__}")
    return tree


def _as_record(model: _Record) -> Record:
    fields = {name: getattr(model, name) for name in type(model).model_fields}
    fields["job"] = Job(**dict(model.job))
    fields["engine"] = Engine(**dict(model.engine)) if model.engine else None
    fields["image"] = Image(**dict(model.image)) if model.image else None
    fields["container"] = Container(**dict(model.container)) if model.container else None
    fields["history"] = tuple(Change(**dict(line)) for line in model.history)
    return Record(**fields)
