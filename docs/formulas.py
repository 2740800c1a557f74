"""A hook of mkdocs: formulas become MathML at build time, so pages load no script.

`pymdownx.arithmatex` marks what stands between dollar signs. A number stays on the line
of its deviation.
"""

import html
import re

from latex2mathml.converter import convert

FORMULA = re.compile(r"\\\((.*?)\\\)</span>|\\\[(.*?)\\\]</div>", re.DOTALL)
NAME = re.compile(r"(<mi>(?:log|exp)</mi>)(?!<mo)")  # a gap: log x, but log(x)


def on_page_content(content: str, **_) -> str:
    """Returns a page's HTML with each formula of LaTeX replaced by MathML."""

    def mathml(found: re.Match) -> str:
        inline, block = found.groups()
        if inline is None:
            formula = convert(html.unescape(block), display="block") + "</div>"
        else:
            formula = convert(html.unescape(inline)) + "</span>"
        return NAME.sub(r'\1<mspace width="0.17em"/>', formula)

    return FORMULA.sub(mathml, content).replace(
        " ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"
    )
