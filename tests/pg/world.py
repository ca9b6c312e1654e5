#!/usr/bin/env python3
# The documents of a cluster with PostgresClusters, for the stand-in of kubectl.
# usage: world.py DIR [NAMESPACE/NAME:STATE...]; STATE: leader, none (no pod),
# replicas (no leader), two (leaders), pending, shutdown
import json
import os
import sys

OPERATOR = "postgres-operator.crunchydata.com"
top = sys.argv[1]
clusters, pods = [], []


def pod(ns, name, tail, labels, phase="Running"):
    pods.append({
        "metadata": {"namespace": ns, "name": f"{name}-{tail}",
                     "labels": {f"{OPERATOR}/{k}": v
                                for k, v in labels.items()}},
        "status": {"phase": phase},
    })


for word in sys.argv[2:]:
    where, state = word.split(":")
    ns, name = where.split("/")
    spec = {"postgresVersion": 15}
    if state == "shutdown":
        spec["shutdown"] = True
    clusters.append({"kind": "PostgresCluster",
                     "metadata": {"namespace": ns, "name": name},
                     "spec": spec})
    base = {"cluster": name, "data": "postgres"}
    # the repository's host and a job are none of its instances
    pod(ns, name, "repo-host-0", {"cluster": name, "data": "pgbackrest"})
    pod(ns, name, "backup-x2bc", {"cluster": name,
                                  "pgbackrest-backup": "manual"})
    instance = dict(base, instance=f"{name}-00-4xbc")
    if state in ("leader", "two", "replicas"):
        pod(ns, name, "00-4xbc-0", dict(instance, role="replica"))
    if state == "leader":
        pod(ns, name, "00-9vdw-0", dict(instance, role="master"))
    if state == "two":
        pod(ns, name, "00-9vdw-0", dict(instance, role="master"))
        pod(ns, name, "00-hhgk-0", dict(instance, role="primary"))
    if state == "pending":
        pod(ns, name, "00-9vdw-0", dict(instance, role="master"), "Pending")

for what, items in (("postgresclusters", clusters), ("pods", pods)):
    with open(os.path.join(top, what + ".json"), "w") as out:
        json.dump({"apiVersion": "v1", "kind": "List", "items": items}, out)
