"""``python -m tuning.local_worker FOLDER``: what ``tuning.search --workers`` starts."""

import sys

from tfglue.command_line import quiet_tensorflow, run


def main(argv: list[str]) -> int:
    """Trains trials of the search in a folder; returns the exit status."""

    def body() -> None:
        quiet_tensorflow()
        from tuning.role import Role
        from tuning.search_folder import SearchFolder
        from tuning.service import end_with_parent
        from tuning.session import run_worker

        end_with_parent()
        run_worker(SearchFolder(argv[0]), Role.of_environment().name)

    return run(body)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
