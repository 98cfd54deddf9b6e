"""Atomic writes and digests: what is under its final name is whole, whatever was killed when."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfglue.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import yaml


class CannotWrite(UserError):
    """The file system refuses a write: a full disk, no permission.

    Args:
        path: what was to be written.
        reason: what the system says.
    """

    def __init__(self, path: Path, reason: str):
        super().__init__(
            f"{path}: cannot be written ({reason}); make room, or name a place that can be written"
        )
        self.reason = reason


def check_writable(path: Path) -> None:
    """Raises UserError if ``--output`` names a folder where nothing can be written."""
    place = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise UserError(f"--output {path}: nothing can be written under {place}")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path; on success it is synced and renamed to `path`.

    Raises:
        CannotWrite: the file system refuses; what stood at `path` before stands there still.
    """
    path = Path(path)
    # In a folder of its own: some libraries write under yet another name beside the one they are
    # given (safetensors does), and what a kill leaves of that must be found again.
    with _temporary_folder(path) as folder:
        temporary = folder / path.name
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        # Such a file does not have the rights that the user's umask gives to new files.
        temporary.chmod(mode)
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder beside `path`; on success it is synced and takes the name `path`.

    A folder that stands at `path` already is replaced.

    Raises:
        CannotWrite: the file system refuses.
    """
    path = Path(path)
    with _temporary_folder(path) as temporary:
        yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                _sync(Path(folder) / name)
            _sync(Path(folder))
        if path.exists():
            old = path.with_name(f".{path.name}.{os.getpid()}.old")
            os.replace(path, old)
            os.replace(temporary, path)
            shutil.rmtree(old)
        else:
            os.replace(temporary, path)
        _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically, with line feeds as they are."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON, atomically."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """A value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_tensors(
    path: Path, tensors: Mapping[str, "np.ndarray"], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes named tensors as a safetensors file, atomically."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    with atomic_file(path) as temporary:
        try:
            save_file(dict(tensors), temporary, metadata)
        except SafetensorError as error:
            # A full disk comes as text from Rust: "... (os error 28)".
            found = re.search(r"(?:os error|code:) (\d+)", str(error))
            if found is None:
                raise
            raise OSError(int(found[1]), os.strerror(int(found[1]))) from error


def read_tensors(path: Path) -> tuple[dict[str, "np.ndarray"], dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises UserError for what is none."""
    with _safetensors(path) as opened:
        names = opened.keys()
        return {name: opened.get_tensor(name) for name in names}, opened.metadata() or {}


def digest_tensor_file(path: Path) -> str:
    """`digest_tensors` of a safetensors file, by name. Raises UserError for what is none."""
    with _safetensors(path) as opened:
        return digest_tensors((name, opened.get_tensor(name)) for name in sorted(opened.keys()))


@contextmanager
def _safetensors(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as opened:
            yield opened
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    # TypeError: a type that NumPy has not, such as bfloat16.
    except (SafetensorError, OSError, TypeError) as error:
        raise UserError(f"{path}: cannot be read as safetensors ({error})") from None


def read_json(path: Path) -> Any:
    """Reads a JSON file. Raises UserError that names the file and the line."""
    return parse_json(read_text(path), str(path))


def parse_json(text: str, where: str) -> Any:
    """Reads JSON. Raises UserError that names `where` it stands, and the line."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}:{error.lineno}: not valid JSON ({error.msg})") from None
    except ValueError:
        raise UserError(f"{where}: not valid JSON (a number of thousands of digits)") from None
    except RecursionError:
        raise UserError(f"{where}: not valid JSON (nested too deeply)") from None


def read_yaml(path: Path) -> Any:
    """Reads a YAML file of plain values.

    Raises:
        UserError: it is none, or a name stands in it twice; names the file and the line.
    """
    return read_yaml_lines(path)[0]


def read_yaml_lines(path: Path) -> tuple[Any, dict[tuple[str, ...], int]]:
    """What `read_yaml` reads, and the line of each name, by the names that it stands under."""
    import yaml

    loader = None
    try:
        loader = yaml.SafeLoader(read_text(path))
        node = loader.get_single_node()
        lines = {} if node is None else _lines(node, path)
        return None if node is None else loader.construct_document(node), lines
    except (yaml.YAMLError, ValueError) as error:  # ValueError: dates and numbers beyond reason.
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise UserError(f"{path}:{line}: not valid YAML") from None
    except RecursionError:
        raise UserError(f"{path}: not valid YAML (nested too deeply)") from None
    finally:
        if loader is not None:
            loader.dispose()


def _lines(node: "yaml.Node", path: Path) -> dict[tuple[str, ...], int]:
    """Name, with those around it -> line. Raises UserError for one that stands somewhere twice."""
    import yaml

    lines: dict[tuple[str, ...], int] = {}
    seen: set[int] = set()  # What an alias repeats has its lines already.
    left = [((), node)]
    while left:
        around, node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            left += [((*around, str(number)), item) for number, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name, line = (*around, str(key.value)), key.start_mark.line + 1
                if name in lines:
                    raise UserError(f"{path}:{line}: '{name[-1]}' is given twice; leave one out")
                lines[name] = line
                left.append((name, value))
    return lines


def read_text(path: Path) -> str:
    """Reads UTF-8 text, byte-order mark dropped. Raises UserError for what cannot be read."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}:{line}: not UTF-8 (byte 0x{data[error.start]:02x}); save the file as UTF-8"
        ) from None


def digest_bytes(*parts: bytes) -> str:
    """SHA-256 of the parts, each preceded by its length, so that their borders count."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def digest_tensors(tensors: Iterable[tuple[str, "np.ndarray"]]) -> str:
    """SHA-256 of names, types, shapes and values, in the order given.

    One tensor at a time is held, so that a large encoder need not be there twice.
    """
    return digest_bytes(
        *(
            f"{name} {value.dtype} {value.shape} {digest_bytes(value.tobytes())}".encode()
            for name, value in tensors
        )
    )


def digest_file(path: Path) -> str:
    """SHA-256 of a file of any size. Raises UserError for what cannot be read."""
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


@contextmanager
def _temporary_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path`, gone after the block unless it was renamed.

    What the system refuses meanwhile, in nested writes too, is said of `path`: the temporary names
    mean nothing to the user.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except CannotWrite as error:
        raise CannotWrite(path, error.reason) from error
    except OSError as error:
        raise CannotWrite(path, error.strerror or str(error)) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
