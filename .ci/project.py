"""Read commands and versions for .ci/run from README.md and pyproject.toml.

    python .ci/project.py command test    # the command marked <!-- ci: test -->
    python .ci/project.py oldest          # pip constraints: the minimum versions

This script uses only the standard library, because it runs before any installation.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def readme_command(name):
    """Return the code block that follows ``<!-- ci: name -->`` in the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(
        rf"^<!-- ci: {re.escape(name)} -->\n+```\w*\n(.*?)\n```$",
        readme,
        re.MULTILINE | re.DOTALL,
    )
    if len(blocks) != 1:
        raise SystemExit(
            f"README.md: expected one code block after '<!-- ci: {name} -->', "
            f"found {len(blocks)}"
        )
    return blocks[0]


def oldest_versions():
    """Return the oldest supported version of each dependency in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    versions = {}
    for requirement in project["project"]["dependencies"]:
        match = re.fullmatch(
            r"([A-Za-z0-9._-]+)(?:>=([0-9.]+)|==([0-9.]+)\.\*)(,[<!].*)?", requirement
        )
        if match is None:
            raise SystemExit(
                f"pyproject.toml: {requirement!r} has no minimum version; "
                "write it as 'name>=1.2' or 'name==1.2.*'"
            )
        versions[match[1]] = match[2] or match[3]
    return versions


def main(arguments):
    match arguments:
        case ["command", name]:
            print(readme_command(name))
        case ["oldest"]:
            for name, version in oldest_versions().items():
                print(f"{name}=={version}")
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
