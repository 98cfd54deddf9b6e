"""Where exports go: numbered versions beside each other, as TensorFlow Serving looks for them."""

from pathlib import Path

from tfglue.errors import UserError
from tfglue.files import digest_file, read_json, read_text, write_text

FORMAT = "tfglue.export.v1"
EXTRA = Path("assets.extra")
FACTS = EXTRA / "export.json"
CHECKSUMS = EXTRA / "checksums.txt"

MARK = "made by tfglue.export"
"""In the first line of what lies beside the versions; it tells our files from those of others."""

_BESIDE = ("README.md", "models.config")
_LARGEST_VERSION = 2**63 - 1


class ExportFolder:
    """The folder of one model; it need not exist yet.

    Args:
        path: the folder, whose name is the model's.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.readme, self.models_config = (self.path / name for name in _BESIDE)

    @property
    def model(self) -> str:
        """The name by which a server knows the model."""
        return self.path.resolve().name

    def version(self, number: int) -> Path:
        """Folder of a version."""
        return self.path / str(number)

    def versions(self) -> list[int]:
        """The versions that are there, in ascending order."""
        if not self.path.is_dir():
            return []
        names = [entry.name for entry in self.path.iterdir() if is_export(entry)]
        return sorted(int(name) for name in names if _is_number(name))

    def free_version(self, number: int | None) -> int:
        """The version to write: the given one, or the one after the newest.

        Raises:
            UserError: it is there already, or the folder holds what is not ours.
        """
        self._check_own()
        present = self.versions()
        if number is None:
            return max(present, default=0) + 1
        if not 1 <= number <= _LARGEST_VERSION:
            raise UserError(f"--version: expected a whole number from 1 on, not {number}")
        if number in present:
            raise UserError(
                f"--version: {self.version(number)} exists; versions are never replaced, so give "
                f"another one (free: {present[-1] + 1})"
            )
        return number

    def _check_own(self) -> None:
        """Raises UserError for a folder with anything that this command did not write."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"--output: {self.path} is a file; name a folder")
        entries = sorted(self.path.iterdir()) if self.path.exists() else []
        for entry in entries:
            if not (entry.name.startswith(".") or _is_ours(entry)):
                raise UserError(
                    f"--output: {self.path} holds {entry.name}, which is not of an export; name "
                    "another folder"
                )


def is_export(path: Path) -> bool:
    """Whether a folder is one version of an export."""
    return (path / FACTS).is_file() and (path / "saved_model.pb").is_file()


def find_export(name: str | Path) -> Path | None:
    """The version that a path names: its folder, or the folder of all, of which it is the newest.

    None where there is no export.
    """
    path = Path(name)
    if is_export(path):
        return path
    versions = ExportFolder(path).versions()
    return path / str(versions[-1]) if versions else None


def write_checksums(folder: Path) -> None:
    """Writes the digests of all files of a version, in the format of ``sha256sum``."""
    paths = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    lines = [f"{digest_file(folder / path)}  {path}\n" for path in paths if path != CHECKSUMS]
    write_text(folder / CHECKSUMS, "".join(lines))


def check_files(folder: Path) -> None:
    """Raises UserError unless all files of a version are what `write_checksums` saw."""
    for line in read_text(folder / CHECKSUMS).splitlines():
        digest, _, name = line.partition("  ")
        if not name or digest_file(folder / name) != digest:
            raise UserError(
                f"{folder / (name or CHECKSUMS)}: not what was exported; restore the file or "
                "export again"
            )


def _is_ours(entry: Path) -> bool:
    if entry.name in _BESIDE and entry.is_file():
        with entry.open(encoding="utf-8", errors="replace") as stream:
            return MARK in stream.readline()
    if not (_is_number(entry.name) and is_export(entry)):
        return False
    content = read_json(entry / FACTS)
    return isinstance(content, dict) and content.get("format") == FORMAT


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()
