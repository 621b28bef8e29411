"""Build hook: puts the generated protos, `barkserve.v1`, into the client's packages."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "barkserve/v1"


class ProtosHook(BuildHookInterface[Any]):
    """Adds the protos from the repository, or from the source distribution itself."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the package, except to an editable build, which reads the repository."""
        if version == "editable":
            return
        in_repository = Path(self.root, "../../services", PACKAGE).resolve()
        source = in_repository if in_repository.is_dir() else Path(self.root, PACKAGE)
        if not source.is_dir():
            raise FileNotFoundError(f"{PACKAGE} is missing: run make protos in the repository")
        build_data["force_include"][str(source)] = PACKAGE
