"""How does a stack file say a value: as text, or as where a Vault, a file or the environment has it?"""

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag

from devperf_pipeline.stack.source import shown
from devperf_pipeline.stack.tables import PathText, Table, Text, Wrong


def _vault_path(text: str) -> str:
    path = text.strip("/").removeprefix("v1/")
    if not path.isascii() or not path.isprintable() or not path or set(path) & set(" ?#%"):
        raise Wrong('a path such as "secret/data/postgres"', shown(path))
    return path


class InVault(Table):
    """A value that a Vault keeps."""

    vault: Annotated[PathText, AfterValidator(_vault_path)]
    field: Text = ""


class InEnvironment(Table):
    """A secret that an environment variable holds."""

    env: str = Field(description="the name of an environment variable")


class InFile(Table):
    """A secret that a file holds, seen from the stack file's folder."""

    file: PathText


def form_of(value: Any) -> str | None:
    """Which of these a value is; None: none of them."""
    if isinstance(value, str):
        return "<text>"
    return next(
        (f"<{key}>" for key in ("env", "file", "vault") if isinstance(value, dict) and key in value), None
    )


_TEXT = Annotated[str, Tag("<text>")]
_KEPT = Annotated[InVault, Tag("<vault>")]
_OTHER = Annotated[InEnvironment, Tag("<env>")] | Annotated[InFile, Tag("<file>")]
TextOrKept = Annotated[
    _TEXT | _KEPT,
    Discriminator(form_of),
    Field(description='text in quotes, or {vault = "secret/data/…", field = "…"}'),
]
Secret = Annotated[_TEXT | _KEPT | _OTHER, Discriminator(form_of)]
