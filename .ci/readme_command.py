"""Print the N-th install command of README.md: the shell blocks that set up a virtual environment of their own.

python .ci/readme_command.py 1
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)


def install_commands(text: str) -> list[str]:
    """Those of a README's shell blocks that make a virtual environment."""
    return [block for block in BLOCK.findall(text) if "-m venv" in block]


if __name__ == "__main__":
    print(install_commands(README.read_text(encoding="utf-8"))[int(sys.argv[1]) - 1], end="")
