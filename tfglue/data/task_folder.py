"""The folder that holds a task's files, found by its name and by what is in it."""

from pathlib import Path

from tfglue.tasks.task import Task

# Folders of a root that may hold task folders; the empty name is the root itself.
PARENTS = ("", "glue", "glue_data")


def find_folder(task: Task, root: Path) -> Path | None:
    """The folder of a task: `root` by its name, or a known sub-folder; None if there is neither.

    Names are compared without regard to case; a folder counts if it holds a file of the task.
    """
    root = Path(root)
    if is_own_folder(task, root):
        return root
    for parent in PARENTS:
        for base in _children(root, (parent,)) if parent else [root]:
            for folder in _children(base, _folder_names(task)):
                if holds_files(task, folder):
                    return folder
    return None


def is_own_folder(task: Task, folder: Path) -> bool:
    """Whether a folder has the name of a task's folder, and a file of the task in it."""
    return folder.resolve().name.lower() in _folder_names(task) and holds_files(task, folder)


def holds_files(task: Task, folder: Path) -> bool:
    """Whether a folder has a file of the task in it."""
    return any((folder / file.name).is_file() for file in task.files.values())


def _folder_names(task: Task) -> tuple[str, ...]:
    return tuple(name.lower() for name in (*task.folders, task.name, *task.aliases))


def _children(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Sub-folders by lower-case name, in the order of `names`."""
    if not folder.is_dir():
        return []
    found = sorted(entry for entry in folder.iterdir() if entry.name.lower() in names)
    return sorted(filter(Path.is_dir, found), key=lambda entry: names.index(entry.name.lower()))
