from pathlib import Path

from devperf_pipeline.stack import virtualization
from devperf_pipeline.stack.host import host_facts


class TestHostFacts:
    def test_has_the_same_keys_everywhere(self) -> None:
        """Two machines can be compared key by key; nothing is empty."""
        facts = host_facts()
        assert list(facts) == [
            "host",
            "model",
            "model_identifier",
            "cpu_model",
            "cpu_cores",
            "cpu_cores_usable",
            "performance_cores",
            "efficiency_cores",
            "memory_bytes",
            "storage",
            "os",
            "kernel",
            "architecture",
            "virtualization",
            "virtualization_found_by",
            "governor",
            "filesystem",
            "python",
            "docker",
            "podman",
            *virtualization.KEYS,
        ]
        assert all(facts.values())

    def test_does_not_change_by_itself(self) -> None:
        """The same machine is the same a moment later."""
        assert host_facts() == host_facts()

    def test_knows_the_file_system_of_a_folder_to_be_made(self, tmp_path: Path) -> None:
        """The data folder may not be there yet."""
        facts = [host_facts(folder)["filesystem"] for folder in (tmp_path, tmp_path / "not" / "yet")]
        assert facts[0] == facts[1] != "unknown"
