"""
What does the contract say?
"""

from dataclasses import dataclass
from pathlib import Path

import yaml
from openapi_core import OpenAPI

PATH = Path(__file__).parents[2] / "openapi.yaml"
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One thing that the contract lets a caller do, by its `operationId`.
    """

    name: str
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Contract:
    """
    The contract, ready to validate with, and its operations: those without a parameter in their path first.
    """

    openapi: OpenAPI
    operations: tuple[Operation, ...]

    @classmethod
    def read(cls, path: Path = PATH) -> "Contract":
        """
        The contract in a file of OpenAPI.
        """
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        # The validator compares addresses too; this API is wherever it was told to listen.
        document["servers"] = [{"url": "/"}]
        operations = [
            Operation(item[method]["operationId"], method.upper(), route)
            for route, item in document["paths"].items()
            for method in METHODS
            if method in item
        ]
        # `/health/all` is not a dependency called "all".
        operations.sort(key=lambda operation: "{" in operation.path)
        return cls(OpenAPI.from_dict(document), tuple(operations))
