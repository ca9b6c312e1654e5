"""A report's text put between two marks of a document."""
import contextlib
import io
import sys


def put_into(path, report, begin, end):
    """Call report and put what it prints there, in place of what was."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        report()
    with open(path, encoding="utf-8") as f:
        before, found, rest = f.read().partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        sys.exit(f"{sys.argv[0]}: {path} has no marks {begin} and {end}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{before}{begin}\n\n{text.getvalue()}\n{end}{after}")
