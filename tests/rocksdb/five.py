#!/usr/bin/python3
"""five.py: are the snapshots in 'varve list --json' on standard input the five
checkpoints of makedb's database, complete and in the order of their numbers?"""
import json
import sys

wanted = {"consistency": "checkpoint", "families": "default, blocks"}
rows = [json.loads(line) for line in sys.stdin]
bad = 0
for row, number in zip(rows, range(1, 6)):
    has = row["attributes"]
    wanted["checkpoint"] = str(number)
    good = row["kind"] == "rocksdb" and row["incomplete"] is None \
        and row["time_from"] == "mtime" \
        and all(has.get(key) == wanted[key] for key in wanted) \
        and len(has["db_id"]) == 36 and has["rocksdb"].count(".") == 2 \
        and int(has["last_sequence"]) > 5000 * number \
        and int(has["tables"]) > 0 and int(has["blobs"]) > 0
    if not good:
        print(row)
        bad = 1
if len(rows) != 5:
    print(f"{len(rows)} of them")
sys.exit(bad or len(rows) != 5)
