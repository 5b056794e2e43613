"""Reads a PDF from standard input and writes its pages' text as a JSON list. A program of its own: it may die of what it reads."""

from __future__ import annotations

import io
import json
import sys

MOST_PAGES = 500
MEMORY = 1024 * 1024 * 1024
SECONDS = 15


def main() -> int:
    """Read, within limits."""
    try:
        import resource
    except ImportError:  # no such limits on this system; the parent's time limit remains
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    from pypdf import PdfReader

    left, pages = int(sys.argv[1]), list[str]()
    for number, page in enumerate(PdfReader(io.BytesIO(sys.stdin.buffer.read())).pages):
        if number >= MOST_PAGES or left <= 0:
            break
        text = page.extract_text()[:left]
        left -= len(text)
        pages.append(text)
    sys.stdout.write(json.dumps(pages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
