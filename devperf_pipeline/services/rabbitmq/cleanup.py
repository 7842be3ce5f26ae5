"""
What is ours in a broker, how is it told from what is not, and how does it leave, also after a run that was killed?

A vhost of our own, told by its description, or, where our user may not create one, queues in the vhost that the stack
file names, told by an argument.
"""

from typing import Any
from urllib.parse import quote

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.model import Service
from devperf_pipeline.services.operation import own_name
from devperf_pipeline.services.rabbitmq.connection import MARK
from devperf_pipeline.services.rabbitmq.management import Management


class OwnVhost:
    """
    Where our queues are: `name` is a vhost of our own (`created`), or one that is shared.

    `ours` is what our vhost is called, and what the names of our queues begin with.
    """

    def __init__(self, service: Service, management: Management) -> None:
        self._service, self._management = service, management
        tags = management.do("GET", "/whoami")["tags"]
        # Before RabbitMQ 3.9 tags were one string.
        self.created = "administrator" in (tags.split(",") if isinstance(tags, str) else tags)
        if not self.created and not service.database:
            raise ServiceRefused(
                f"{management.where}: user {management.username!r} may not create a vhost of its own. "
                "Give it the tag 'administrator', or name a vhost that it may use as database in the stack file."
            )
        self.ours = own_name(service)
        self.name = self.ours if self.created else service.database or ""

    def is_foreign(self) -> bool:
        """Whether a vhost of our name exists that we did not make."""
        status, vhost = self._management.ask("GET", f"/vhosts/{self.ours}")
        return status == 200 and vhost.get("description") != MARK

    def claim(self) -> None:
        """
        Remove what an earlier run left; where we have a vhost of our own, create it.

        Raises:
            ServiceRefused: a vhost or a queue of our name exists that we did not make.

        """
        self.remove()
        if not self.created:
            if foreign := self._queues():
                raise ServiceRefused(
                    f"{self._service.name}: expected no queue {self.ours}.* in vhost {self.name!r}, found "
                    f"{foreign[0]['name']!r}, which this project did not make. Rename or remove it."
                )
            return
        if self.is_foreign():
            raise ServiceRefused(
                f"{self._service.name}: a vhost {self.ours!r} exists that this project did not make (its description is "
                f"not {MARK!r}). Rename or remove it."
            )
        self._management.do("PUT", f"/vhosts/{self.ours}", {"description": MARK})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        user = quote(self._management.username, safe="")
        self._management.do("PUT", f"/permissions/{self.ours}/{user}", everything)

    def remove(self) -> None:
        """Remove our vhost, or our queues in a shared one. What has not our mark stays."""
        if self.created:
            status, vhost = self._management.ask("GET", f"/vhosts/{self.ours}")
            if status == 200 and vhost.get("description") == MARK:
                self._management.do("DELETE", f"/vhosts/{self.ours}")
            return
        for queue in self._queues():
            if MARK in queue.get("arguments", {}).values():
                name = quote(queue["name"], safe="")
                self._management.do("DELETE", f"/queues/{quote(self.name, safe='')}/{name}")

    def _queues(self) -> list[dict[str, Any]]:
        path = f"/queues/{quote(self.name, safe='')}?columns=name,arguments"
        queues: list[dict[str, Any]] = self._management.do("GET", path)
        return [queue for queue in queues if queue["name"].startswith(f"{self.ours}.")]
