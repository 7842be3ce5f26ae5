from pathlib import Path

import bson

from devperf_pipeline.local.servers import mongodb


class TestSettings:
    def test_in_the_words_of_each_server(self) -> None:
        """Settings are options of mongod; the cache has another name for the program that stands in."""
        settings = {"wiredTigerCacheSizeGB": 2, "sync-on-commit": True, "quiet": False, "log-level": "ERROR"}
        told = [mongodb._arguments(settings, Path(name)) for name in ("mongod", mongodb.STAND_IN)]
        rest = ["--sync-on-commit", "--log-level", "ERROR"]
        assert told == [["--wiredTigerCacheSizeGB", "2", *rest], ["--cache-size", "2G", *rest]]


class TestFirstUser:
    def test_document(self) -> None:
        """The command that makes the first user is the BSON that a driver would send."""
        command: dict[str, str | list[str]] = {
            "createUser": "devperf",
            "pwd": "pä'\"",
            "roles": ["root", "x"],
        }
        assert bson.encode(command) == mongodb._bson(command)
