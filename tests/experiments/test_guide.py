"""The guide's code is one program that runs; its own assertions hold."""

import re
import runpy
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "distribution.md"


def test_the_blocks_of_the_guide_run(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 6
    # In a file, because tf.function reads the source of what it compiles.
    program = tmp_path / "guide.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    runpy.run_path(str(program))
