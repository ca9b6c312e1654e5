#!/usr/bin/python3
"""hurt.py N: are the snapshots in 'varve list --json' on standard input N, each
incomplete for the file that its source's last name is?"""
import json
import sys

rows = [json.loads(line) for line in sys.stdin]
bad = len(rows) != int(sys.argv[1]) or not rows
for row in rows:
    file = row["source"].rsplit("/", 1)[1]
    why = row["incomplete"] or ""
    # a CURRENT of other bytes may name another MANIFEST
    if not why.startswith(f"'{file}': ") and not (
            file == "CURRENT" and why.startswith("'MANIFEST-")):
        print(row["source"], row["incomplete"])
        bad = True
print(len(rows))
sys.exit(bad)
