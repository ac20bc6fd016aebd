"""``python -m local.manage COMMAND …``: ``manage.py`` with the settings of the stack that ``make run`` has started."""

import os
import sys

from local.folder import DATA, ROOT, settings_of


def main() -> None:
    """Becomes ``manage.py``, or ends with a sentence and exit code 1."""
    settings = settings_of(DATA)
    if settings is None:
        sys.exit(f"make run is not running on {DATA}. Start it in another terminal, and wait until it prints a token.")
    os.chdir(ROOT)
    command = [sys.executable, "manage.py", *sys.argv[1:]]
    os.execve(sys.executable, command, os.environ | settings)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
