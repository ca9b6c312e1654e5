#!/usr/bin/env python3
"""An instance of Data Virtualization for the simulator, in the shape of the
document.  usage: world.py DIR; DIR/pv/dv-bar-pvc may be a mount already."""
import json
import os
import random
import shutil
import sys

top = sys.argv[1]
here = os.path.dirname(os.path.realpath(__file__))
NS = "cpd30"
BIGSQL, SYSDV = 1000322824, 43999
IMAGE = ("image-registry.openshift-image-registry.svc:5000/cpd30/"
         "dv-init-volume:v1.5.0.0-217")


def put(kind, thing, ns=NS):
    meta = thing["metadata"]
    if ns:
        meta["namespace"] = ns
    meta.setdefault("uid", f"uid-of-{kind}-{meta['name']}")
    path = os.path.join(top, "objects", kind)
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, meta["name"] + ".json"), "w") as file:
        json.dump(thing, file)


def pod(name, phase="Running", owner=None, image=IMAGE, labels=None):
    running = phase == "Running"
    container = name.rsplit("-", 1)[0] if name[-1] == "0" else "c"
    meta = {"name": name, "labels": labels or {"app": "dv"}}
    if owner:
        meta["ownerReferences"] = [{"kind": owner[0], "name": owner[1],
                                    "controller": True}]
    put("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": meta,
        "spec": {"containers": [{"name": container, "image": image,
            "volumeMounts": [
                {"name": "dv-data", "mountPath": "/mnt/PV/versioned",
                 "subPath": "1.5.0"},
                {"name": "dv-data", "mountPath": "/mnt/marker_files",
                 "subPath": "marker_files"}]}],
            "volumes": [{"name": "dv-data", "persistentVolumeClaim":
                         {"claimName": "dv-pvc"}}]},
        "status": {"phase": phase, "conditions": [
            {"type": "Ready", "status": "True" if running else "False"}]}})


def deployment(name, replicas):
    labels = {"app": name}
    put("deployments", {"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name}, "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "containers": [{"name": name, "image": "dv/" + name}]}}},
        "status": {"replicas": replicas, "readyReplicas": replicas}})
    for n in range(replicas):
        pod(f"{name}-7d4b9-{n}x", owner=("Deployment", name), labels=labels)


def claim(name, size):
    put("persistentvolumeclaims", {"apiVersion": "v1",
        "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteMany"], "storageClassName":
                 "ibmc-file-gold-gid", "volumeName": "pv-" + name,
                 "resources": {"requests": {"storage": size}}},
        "status": {"phase": "Bound", "capacity": {"storage": size}}})
    put("persistentvolumes", {"apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": "pv-" + name}, "spec": {
            "persistentVolumeReclaimPolicy": "Delete", "capacity":
            {"storage": size}, "claimRef": {"namespace": NS, "name": name}}},
        None)


def fill(path, text, uid=BIGSQL, gid=SYSDV, mode=0o640, when=1611300000):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    os.utime(path, (when, when))


def data():
    versioned = os.path.join(top, "pv/dv-pvc/1.5.0")
    fill(f"{versioned}/metastore/tables/t1", "\n".join(map(str, range(3000))))
    fill(f"{versioned}/metastore/users", "bigsql:bigsql\n", 0, 0, 0o600)
    fill(f"{versioned}/engine/db2/log", "log\n" * 2000)
    # as data that is packed already: it does not shrink
    dice = random.Random(7)
    with open(f"{versioned}/engine/db2/data", "wb") as file:
        file.write(dice.randbytes(400000))
    os.chown(f"{versioned}/engine/db2/data", BIGSQL, SYSDV)
    fill(f"{versioned}/engine/bin/setuid", "#!\n", 0, 0, 0o4755)
    os.link(f"{versioned}/engine/db2/data", f"{versioned}/engine/db2/linked")
    os.symlink("../db2/log", f"{versioned}/engine/bin/link")
    os.lchown(f"{versioned}/engine/bin/link", BIGSQL, SYSDV)
    for path, _, _ in os.walk(f"{versioned}"):
        os.chown(path, BIGSQL, SYSDV)
        os.utime(path, (1611300000, 1611300000))
    os.makedirs(os.path.join(top, "pv/dv-pvc/marker_files"), exist_ok=True)


for kind in ("pods", "jobs", "deployments", "statefulsets", "namespaces",
             "persistentvolumeclaims", "persistentvolumes", "storageclasses",
             "serviceaccounts"):
    os.makedirs(os.path.join(top, "objects", kind), exist_ok=True)
put("namespaces", {"metadata": {"name": "kube-system",
                                "uid": "11111111-2222-3333-4444-555555555555"}},
    None)
put("namespaces", {"metadata": {"name": NS}}, None)
put("serviceaccounts", {"metadata": {"name": "dv-bar-sa"}})
pod("dv-engine-0")
pod("dv-worker-0")
pod("dv-init-volume-x7k2p", "Succeeded", ("Job", "dv-init-volume"))
put("jobs", {"apiVersion": "batch/v1", "kind": "Job",
    "metadata": {"name": "dv-init-volume"},
    "spec": {"template": {"spec": {"containers": [
        {"name": "dv-init-volume", "image": IMAGE}]}}},
    "status": {"conditions": [{"type": "Complete", "status": "True"}]}})
deployment("dv-caching", 1)
deployment("dv-api", 2)
deployment("dv-unified-console", 1)
claim("dv-pvc", "40Gi")
claim("dv-bar-pvc", "20Gi")
data()
bar = os.path.join(top, "pv/dv-bar-pvc/1.5.0")
os.makedirs(bar, exist_ok=True)
os.chown(bar, BIGSQL, SYSDV)
image = os.path.join(top, "image/current/bar")
shutil.copytree(os.path.join(here, "image"), image, dirs_exist_ok=True)
os.makedirs(os.path.join(top, "image/faults"), exist_ok=True)
open(os.path.join(top, "pv/dv-pvc/1.5.0/.writers"), "w").close()
