# SPDX-License-Identifier: GPL-2.0
"""What the plots are drawn with: text, lines and bars in SVG, readable on white and on black."""

from html import escape

STYLE = """
    .ground { fill: #ffffff } text { fill: #1f2328; font: 12px sans-serif } .line { stroke: #d0d7de }
    .title { font-size: 16px; font-weight: bold } .small { font-size: 11px } .ratio { font-weight: bold }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117 } text { fill: #e6edf3 } .line { stroke: #30363d }
    }
"""


class Drawing:
    """Parts, in the order in which they are drawn."""

    def __init__(self):
        self._parts = []

    def text(self, x, y, content, kind="", **attributes):
        extra = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}"{extra}>{escape(content)}</text>')

    def key(self, x, colour, label, **attributes):
        """A line of the legend."""
        self._parts.append(f'<rect x="{x}" y="60" width="12" height="12" fill="{colour}"/>')
        self.text(x + 17, 70, label, **attributes)

    def line(self, left, right, y):
        self._parts.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" class="line"/>')

    def bar(self, x, base, width, height, colour, title):
        self._parts.append(f'<rect x="{x:.1f}" y="{base - height:.1f}" width="{width}" height="{height:.1f}" '
                           f'fill="{colour}"><title>{escape(title)}</title></rect>')

    def svg(self, width, height, label):
        """All of it."""
        body = "\n  ".join(self._parts)
        return (f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- SPDX-License-Identifier: GPL-2.0 -->\n'
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
                f'role="img" aria-label="{escape(label)}">\n'
                f'  <style>{STYLE}  </style>\n  <rect width="100%" height="100%" class="ground"/>\n  {body}\n</svg>\n')
