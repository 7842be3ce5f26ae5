"""
Where does the API listen, and where are its dependencies?

One JSON file says it. A file rather than arguments or the environment: both of those are visible to other
processes, and passwords are in it. A dependency without a section is absent, which is fine.
"""

import sys
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

Aggregation = Literal["sequential", "concurrent"]
"""How `/health/all` asks its dependencies: one after the other, or all at once."""


class Section(BaseModel):
    """
    A part of the file. An unknown name is a typing error, so it is refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class Database(Section):
    """
    A PostgreSQL or MySQL server.
    """

    host: str
    port: int
    user: str
    password: SecretStr
    database: str


class Redis(Section):
    """
    One Redis node, or the nodes of a cluster, as `host:port`.
    """

    nodes: list[str] = Field(min_length=1)
    cluster: bool = False
    password: SecretStr | None = None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """
        The nodes as pairs of host and port.
        """
        pairs = (node.rpartition(":") for node in self.nodes)
        return [(host, int(port)) for host, _, port in pairs]


class RabbitMQ(Section):
    """
    A RabbitMQ server and the virtual host to publish into.
    """

    host: str
    port: int
    user: str
    password: SecretStr
    vhost: str


class Vault(Section):
    """
    A Vault server, as a base URL, with a token that may read `secret/`.
    """

    address: str
    token: SecretStr


class MongoDB(Section):
    """
    A MongoDB server. Its URI holds the password, so all of it is a secret.
    """

    uri: SecretStr
    database: str = "test"


class Configuration(Section):
    """
    The whole file.
    """

    host: str
    port: int
    aggregation: Aggregation = "sequential"
    vault: Vault | None = None
    postgres: Database | None = None
    mysql: Database | None = None
    mongodb: MongoDB | None = None
    redis: Redis | None = None
    rabbitmq: RabbitMQ | None = None

    @classmethod
    def read(cls, path: Path) -> "Configuration":
        """
        The configuration in a file; ends the program with a sentence if it is not one.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            sys.exit(f"{path} cannot be read: {error.strerror}.")
        except ValidationError as error:
            # The value is left out of the message: it may be a password.
            problems = (
                f"  {'.'.join(map(str, problem['loc'])) or 'the file'}: {problem['msg']}"
                for problem in error.errors(include_input=False, include_url=False)
            )
            sys.exit("\n".join([f"{path} is not a configuration of the reference API:", *problems]))
