from pathlib import Path

import pytest

from devperf_pipeline.stack.virtualization import FIRST_NAMESPACES, KEYS, container_of, virtual_facts

GIB = 1 << 30

COLIMA = """#!/bin/sh
case "$1" in
version) echo "colima version 0.8.0" ;;
list) echo '{"name":"other","status":"Stopped"}'
    echo '{"name":"default","status":"Running","arch":"aarch64","cpus":4,"memory":8589934592,"disk":64424509440,"runtime":"docker"}' ;;
esac
"""


def facts(virtualization: str, limits: Path) -> dict[str, str]:
    return virtual_facts(
        virtualization=virtualization, cores=4, memory_bytes=8 * GIB, disk_bytes=100 * GIB, limits=limits
    )


def program(path: Path, answer: str) -> None:
    path.write_text(f"#!/bin/sh\necho '{answer}'\n", encoding="utf-8")
    path.chmod(0o755)


class TestVirtualFacts:
    def test_bare_metal_has_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where nothing stands between, every fact says none."""
        monkeypatch.setenv("PATH", str(tmp_path))

        assert dict.fromkeys(("docker", "podman", *KEYS), "none") == facts("none", tmp_path)

    def test_podman_that_answers_to_dockers_program(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What answers says which engine it is; its version is not taken for one of Docker's."""
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        found: list[tuple[str, str]] = []
        for answer in ("Podman Engine=4.3.1", "Engine=27.3.1"):
            program(tmp_path / "docker", answer)
            program(tmp_path / "podman", "podman version 4.9.3")
            told = facts("none", tmp_path)
            found.append((told["docker"], told["podman"]))

        assert [("none", "4.3.1"), ("27.3.1", "4.9.3")] == found

    @pytest.mark.parametrize(
        ("files", "cpus", "memory"),
        [
            ({}, "4", 8 * GIB),
            ({"cpu.max": "150000 100000", "memory.max": str(2 * GIB)}, "1.5", 2 * GIB),
            ({"cpu.max": "max 100000", "memory.max": "max"}, "4", 8 * GIB),
            (
                {
                    "cpu/cpu.cfs_quota_us": "200000",
                    "cpu/cpu.cfs_period_us": "100000",
                    "memory/memory.limit_in_bytes": "9223372036854771712",
                },
                "2",
                8 * GIB,
            ),
            ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4", 8 * GIB),
        ],
    )
    def test_limits_of_a_container_come_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cpus: str, memory: int
    ) -> None:
        """What a container may use is what its servers have, by either version of cgroups."""
        monkeypatch.setenv("PATH", str(tmp_path))
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text + "\n", encoding="utf-8")
        found = facts("docker", tmp_path)

        assert (cpus, str(memory), "docker") == (
            found["vm_cpus"],
            found["vm_memory_bytes"],
            found["vm_type"],
        )

    def test_colima_tells_of_its_machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The first profile that runs, with what its settings say of the kind of machine."""
        program = tmp_path / "colima"
        program.write_text(COLIMA, encoding="utf-8")
        program.chmod(0o755)
        settings = tmp_path / ".colima" / "default" / "colima.yaml"
        settings.parent.mkdir(parents=True)
        settings.write_text("cpu: 4\nvmType: vz\nrosetta: true\n", encoding="utf-8")
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
        monkeypatch.setenv("HOME", str(tmp_path))
        found = facts("none", tmp_path)

        assert ["Colima 0.8.0", "docker", "aarch64", "4", str(8 * GIB), str(60 * GIB), "vz", "true"] == [
            found[key] for key in KEYS
        ]


class TestContainer:
    @pytest.mark.parametrize(
        ("own", "files", "expected"),
        [
            # The disk of a virtual machine that was made of an image.
            ((), (".dockerenv",), None),
            ((), (), None),
            (("pid", "uts"), (".dockerenv",), "docker"),
            (("pid", "uts"), ("run/.containerenv",), "podman"),
            (("pid",), (), "container"),
            # --pid=host
            (("uts",), (".dockerenv",), "docker"),
            (("uts",), (), None),
        ],
    )
    def test_has_namespaces_of_its_own(
        self, tmp_path: Path, own: tuple[str, ...], files: tuple[str, ...], expected: str | None
    ) -> None:
        """A file that an image left makes no container; namespaces of its own do."""
        for name, first in FIRST_NAMESPACES.items():
            (tmp_path / name).symlink_to(f"{name}:[4026532299]" if name in own else first)
        (tmp_path / "run").mkdir()
        for name in files:
            (tmp_path / name).touch()
        assert expected == container_of(tmp_path, tmp_path)

    def test_unknown_kernel(self, tmp_path: Path) -> None:
        """Where a kernel tells no namespaces, no container is claimed."""
        (tmp_path / ".dockerenv").touch()
        assert container_of(tmp_path / "ns", tmp_path) is None
