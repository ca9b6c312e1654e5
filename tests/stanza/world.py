#!/usr/bin/env python3
# A cluster of situations, for the stand-in for kubectl in tests/pg.
# usage: world.py DIR SITUATIONS ANSWERS
#
# SITUATIONS has a line a PostgresCluster: NAMESPACE NAME POD[,POD...] WHAT, in any
# order; POD "-": none.  WHAT is the name of an answer of pgBackRest's in ANSWERS
# (recorded of the real one), or "hangs"; the first pod is the leader by its label.
import json
import os
import shlex
import sys

OPERATOR = "postgres-operator.crunchydata.com"
top, situations, answers = sys.argv[1:4]
clusters, pods = [], []

# What is asked of the server beside: JSON of PostgreSQL's, df's two lines.
WAL = '{"bytes": %d, "files": %d, "standby": false, "archived": %d, "failed": %d, ' \
      '"last_archived": %s, "last_failed": %s}'
DF = "Filesystem 1024-blocks Used Available Capacity Mounted on\n" \
     "/dev/vdb 10218772 %d %d 1%% /pgdata"


def script(what):
    stuck = what in ("no-stanza", "silent", "hangs", "partial")
    wal = WAL % ((3 << 30, 192, 0, 7, "null", "1677500000") if stuck else
                 (80 << 20, 5, 100, 0, "1677500000", "null"))
    df = DF % ((7000000, 3218772) if stuck else (200000, 10018772))
    info = "sleep 30" if what == "hangs" else \
        "cat " + shlex.quote(os.path.join(answers, what + ".json"))
    return (f"pgbackrest() {{ {info}; }}\n"
            f"sh() {{ printf '%s\\n' {shlex.quote(wal)} {shlex.quote(df)}; }}\n")


def pod(ns, name, labels):
    pods.append({"metadata": {"namespace": ns, "name": name,
                              "labels": {f"{OPERATOR}/{k}": v
                                         for k, v in labels.items()}},
                 "status": {"phase": "Running"}})


for line in open(situations):
    words = line.split("#")[0].split()
    if not words:
        continue
    ns, name, instances, what = words
    clusters.append({"kind": "PostgresCluster",
                     "metadata": {"namespace": ns, "name": name}, "spec": {}})
    if instances == "-":
        continue
    pod(ns, f"{name}-repo-host-0", {"cluster": name, "data": "pgbackrest"})
    for i, instance in enumerate(instances.split(",")):
        pod(ns, instance, {"cluster": name, "data": "postgres",
                           "instance": instance[:-2],
                           "role": "replica" if i else "master"})
        os.makedirs(os.path.join(top, "pods", ns), exist_ok=True)
        with open(os.path.join(top, "pods", ns, instance), "w") as out:
            out.write(script(what))

# in an order that is none, as the answer's is nobody's promise
clusters.sort(key=lambda c: c["metadata"]["name"][::-1])
for what, items in (("postgresclusters", clusters), ("pods", pods)):
    for ns in [None] + sorted({i["metadata"]["namespace"] for i in items}):
        name = f"{what}.{ns}.json" if ns else f"{what}.json"
        some = [i for i in items if ns in (None, i["metadata"]["namespace"])]
        with open(os.path.join(top, name), "w") as out:
            json.dump({"apiVersion": "v1", "kind": "List", "items": some}, out)
