"""
What is a table of a stack file: its keys are the fields of a class, and no others?

A field's description is what a message says was expected; values of a field that is not in `repr` are never shown.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from devperf_pipeline.stack.source import nearest, shown

V = TypeVar("V", bound=str | int | bool)


class Wrong(ValueError):
    """What is wrong with a value, or with what its table has under a key."""

    def __init__(self, expected: str, found: str, advice: str = "", *, key: str = "") -> None:
        super().__init__(expected)
        self.expected, self.found, self.advice = expected, found, advice
        self.keys = (key,) if key else ()


def one_line(value: V) -> V:
    """The value, which may have no line break."""
    if "\n" in str(value):
        raise Wrong("text on one line", shown(value))
    return value


class Table(BaseModel):
    """A table of a stack file: its keys are the fields of the class, and no others."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)
    refused: ClassVar[Mapping[str, str]] = {}
    """Keys that tables like this one have elsewhere, with what is said of them here."""

    @model_validator(mode="before")
    @classmethod
    def check_keys(cls, found: Any) -> Any:
        """Refuse keys that are not known, with the nearest one that is: before a missing one is complained of."""
        for key in found if isinstance(found, dict) else ():
            if key not in cls.model_fields:
                valid = list(cls.model_fields)
                advice = cls.refused.get(key) or nearest(key, valid)
                raise Wrong(f"one of {', '.join(valid)}", repr(key), advice, key=key)
        return found


Text = Annotated[str, Field(description="text in quotes")]
PathText = Annotated[str, Field(description="a path in quotes")]
OneLine = Annotated[str, AfterValidator(one_line)]
