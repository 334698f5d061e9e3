"""The question on the wire: the information model of OpenID AuthZEN Authorization API 1.0,
section 5, held strictly: what is not declared is refused by name."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import RequestError

MAX_NAME = 256  # characters
_MODEL = ConfigDict(extra="forbid", frozen=True, strict=True)
Properties = dict[str, Any]


class Subject(BaseModel):
    model_config = _MODEL

    type: str = Field(min_length=1, max_length=MAX_NAME)
    id: str = Field(min_length=1, max_length=MAX_NAME)
    properties: Properties = Field(default_factory=dict)


class Action(BaseModel):
    model_config = _MODEL

    name: str = Field(min_length=1, max_length=MAX_NAME)
    properties: Properties = Field(default_factory=dict)


class Resource(BaseModel):
    model_config = _MODEL

    type: str = Field(min_length=1, max_length=MAX_NAME)
    id: str = Field(min_length=1, max_length=MAX_NAME)
    properties: Properties = Field(default_factory=dict)


class DecisionRequest(BaseModel):
    """One question."""

    model_config = _MODEL

    subject: Subject
    action: Action
    resource: Resource
    context: Properties = Field(default_factory=dict)

    @classmethod
    def read(cls, value: object) -> "DecisionRequest":
        """The request in a JSON value.

        Raises:
            RequestError: Something is missing, of the wrong type, or not known here.
        """
        if not isinstance(value, dict):
            raise RequestError("the body is not a JSON object")
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise of_validation(error) from error


def of_validation(error: ValidationError) -> RequestError:
    """What to say of the first thing that is wrong with the shape of a question."""
    first = error.errors(include_url=False, include_input=False)[0]
    return RequestError(_words(first["type"], first["msg"]), pointer=_pointer(first["loc"]))


def _pointer(location: tuple[str | int, ...]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _words(kind: str, message: str) -> str:
    return {
        "missing": "this member is missing",
        "extra_forbidden": "this member is not known here",
        "string_type": "this must be a string",
        "dict_type": "this must be an object",
        "string_too_short": "this must not be empty",
        "string_too_long": "this is longer than 256 characters",
    }.get(kind, message[:1].lower() + message[1:])
