#!/usr/bin/python3 -SE
"""Write what a cluster with PSO and its arrays would answer.

usage: world.py DIR [CHANGE...]

    DIR/kube/RESOURCE.json     what 'kubectl get RESOURCE -o json' gives
    DIR/arrays/NAME/QUERY.json all items of an array's answer
    DIR/values.yaml            with the tokens below
    DIR/secrets                every secret that is planted, one a line

Shapes are those of the published interfaces; names and values are invented.
CHANGE is one of the changes at the end of this file.
"""
import base64
import json
import os
import sys

FA_TOKEN = "5d5b8d6e-1c7a-4b6e-9f1a-aa11bb22cc33"
FA2_TOKEN = "0e9f6a4b-77aa-4c1d-8e2f-dd44ee55ff66"
FB_TOKEN = "T-3f2c1b0a-9988-4766-a554-433221100fed"
PASSWORD = "Sesam.oeffne-dich-7734"
PEM = ("-----BEGIN EC PRIVATE KEY-----\n"
       "MHcCAQEEIPlantedPrivateKeyOfTheTestsAndNothingElse0123456789oAo\n"
       "-----END EC PRIVATE KEY-----\n")
PEM_LINE = "MHcCAQEEIPlantedPrivateKeyOfTheTestsAndNothingElse0123456789oAo"
JWT = ("eyJhbGciOiJSUzI1NiIsImtpZCI6InBsYW50ZWQifQ."
       "eyJpc3MiOiJwbGFudGVkLWJ5LXRlc3RzIn0."
       "c2lnbmF0dXJlLXRoYXQtaXMtcGxhbnRlZA")
ENV_TOKEN = "hunter2hunter2env"
OLD_TOKEN = "9b1f7c3d-5a6e-4f70-8b1c-0d9e8f7a6b5c"
SESSION = "plantedsession00aa11bb22"

ID = "k8s_lab"
UIDS = ["0f6c1c1e-93a2-4c1d-8b55-2f1f8a0c7d11",
        "1a2b3c4d-93a2-4c1d-8b55-2f1f8a0c7d22",
        "2b3c4d5e-93a2-4c1d-8b55-2f1f8a0c7d33",
        "3c4d5e6f-93a2-4c1d-8b55-2f1f8a0c7d44"]
NODES = ["node-a.lab.example", "node-b.lab.example", "node-c.lab.example"]
FA_ID = "63d6a0b1-0000-4000-8000-000000000001"
FB_ID = "63d6a0b1-0000-4000-8000-000000000002"
FA_EP = os.environ.get("FA_EP") or "10.0.0.5"
FB_EP = os.environ.get("FB_EP") or "10.0.0.6"


def meta(name, namespace=None, **more):
    m = {"name": name, "uid": "uid-" + name, "resourceVersion": "4711",
         "creationTimestamp": "2021-03-01T10:00:00Z",
         "managedFields": [{"manager": "x", "time": "2021-03-01T10:00:00Z"}]}
    if namespace:
        m["namespace"] = namespace
    m.update(more)
    return m


def pv(name, handle, ns, pvc, uid, size, cls, driver="pure-csi", **attrs):
    return {"apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": meta(name),
            "spec": {"accessModes": ["ReadWriteOnce"],
                     "capacity": {"storage": size},
                     "claimRef": {"kind": "PersistentVolumeClaim",
                                  "name": pvc, "namespace": ns, "uid": uid},
                     "csi": {"driver": driver, "fsType": "xfs",
                             "volumeHandle": handle,
                             "volumeAttributes": dict({"namespace": ns},
                                                      **attrs)},
                     "persistentVolumeReclaimPolicy": "Delete",
                     "storageClassName": cls, "volumeMode": "Filesystem"},
            "status": {"phase": "Bound"}}


def pvc(ns, name, uid, volume, size, cls):
    applied = {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
               "metadata": {"name": name},
               "spec": {"note": "token=" + OLD_TOKEN}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": meta(name, ns, uid=uid, annotations={
                "kubectl.kubernetes.io/last-applied-configuration":
                json.dumps(applied)}),
            "spec": {"volumeName": volume, "storageClassName": cls,
                     "resources": {"requests": {"storage": size}}},
            "status": {"phase": "Bound", "capacity": {"storage": size}}}


def sclass(name, backend, **params):
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": meta(name, annotations={
                "storageclass.kubernetes.io/is-default-class": "false"}),
            "provisioner": "pure-csi", "parameters":
            dict({"backend": backend}, **params),
            "volumeBindingMode": "Immediate"}


def node(name, n):
    return {"apiVersion": "v1", "kind": "Node",
            "metadata": meta(name, annotations={
                "csi.volume.kubernetes.io/nodeid": json.dumps(
                    {"pure-csi": name})}),
            "status": {"conditions": [
                {"type": "Ready", "status": "True",
                 "lastHeartbeatTime": "2021-03-01T10:00:0%dZ" % n}],
                "addresses": [{"type": "InternalIP",
                               "address": "10.1.0.%d" % (n + 1)}],
                "nodeInfo": {"kubeletVersion": "v1.19.7",
                             "osImage": "Debian", "kernelVersion": "5.10"}}}


def dbvol(n):
    return "%s-pso-db_%010d" % (ID, n)


def replica_backend(n):
    return ("FlashArray", FA_ID, FA_EP, FA_TOKEN) if n % 2 == 0 else \
        ("FlashBlade", FB_ID, FB_EP, FB_TOKEN)


def db_pod(n):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": meta("pso-db-%d-0" % n, "pso"),
            "spec": {"nodeName": NODES[n % 3], "containers": [
                {"name": "volume-publish", "args":
                 ["--volume", dbvol(n), "--api-token=" + FA_TOKEN],
                 "env": [{"name": "PURE_API_TOKEN", "value": ENV_TOKEN},
                         {"name": "PURE_K8S_NAMESPACE", "value": ID}]},
                {"name": "cockroachdb"}],
                "volumes": [{"name": "certs", "secret": {
                    "secretName": "pso-cockroach-node-certs"}}]},
            "status": {"phase": "Running", "conditions": [
                {"type": "Ready", "status": "True"}]}}


def definition(name, served=True, version="v1beta1"):
    """A CustomResourceDefinition of snapshots."""
    return {"apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition", "metadata": meta(name),
            "spec": {"group": "snapshot.storage.k8s.io", "versions": [
                {"name": "v1", "served": True, "storage": True},
                {"name": version, "served": served, "storage": False}]}}


def world():
    block = {"backend": "block", "createoptions": "-q"}
    pvs = [pv("pvc-" + UIDS[0], "%s-pvc-%s" % (ID, UIDS[0]), "shop", "data",
              UIDS[0], "10Gi", "pure-block", **block),
           pv("pvc-" + UIDS[1], "%s-pvc-%s" % (ID, UIDS[1]), "shop", "files",
              UIDS[1], "5Gi", "pure-file", backend="file"),
           pv("pv-import", "pod1::legacy-oracle", "erp", "oracle", UIDS[2],
              "1Ti", "pure-block", **block),
           pv("pvc-" + UIDS[3], "%s-pvc-%s" % (ID, UIDS[3]), "erp", "gone",
              UIDS[3], "1Gi", "pure-block", **block),
           pv("local-1", "other", "erp", "local", "u-local", "1Gi",
              "standard", driver="local.example")]
    pvcs = [pvc("shop", "data", UIDS[0], "pvc-" + UIDS[0], "10Gi",
                "pure-block"),
            pvc("shop", "files", UIDS[1], "pvc-" + UIDS[1], "5Gi",
                "pure-file"),
            pvc("erp", "oracle", UIDS[2], "pv-import", "1Ti", "pure-block"),
            pvc("erp", "gone", UIDS[3], "pvc-" + UIDS[3], "1Gi",
                "pure-block"),
            pvc("erp", "local", "u-local", "local-1", "1Gi", "standard")]
    vol = "%s-pvc-%s" % (ID, UIDS[0])
    snap_uid = "9f8e7d6c-5b4a-4938-8271-605040302010"
    kube = {
        "persistentvolumes": pvs,
        "persistentvolumeclaims": pvcs,
        "storageclasses": [sclass("pure-block", "block"),
                           sclass("pure-file", "file",
                                  exportrules="*(rw,no_root_squash)")],
        "volumesnapshots": [
            {"apiVersion": "snapshot.storage.k8s.io/v1beta1",
             "kind": "VolumeSnapshot", "metadata": meta("snap-1", "shop",
                                                        uid=snap_uid),
             "spec": {"source": {"persistentVolumeClaimName": "data"}},
             "status": {"boundVolumeSnapshotContentName":
                        "snapcontent-" + snap_uid, "readyToUse": True}}],
        "volumesnapshotcontents": [
            {"apiVersion": "snapshot.storage.k8s.io/v1beta1",
             "kind": "VolumeSnapshotContent",
             "metadata": meta("snapcontent-" + snap_uid),
             "spec": {"driver": "pure-csi", "deletionPolicy": "Delete",
                      "volumeSnapshotClassName": "pure-snapshotclass",
                      "volumeSnapshotRef": {"name": "snap-1",
                                            "namespace": "shop",
                                            "uid": snap_uid}},
             "status": {"snapshotHandle": "%s.snapshot-%s" % (vol, snap_uid),
                        "readyToUse": True, "restoreSize": 10737418240}}],
        "volumesnapshotclasses": [
            {"apiVersion": "snapshot.storage.k8s.io/v1beta1",
             "kind": "VolumeSnapshotClass", "driver": "pure-csi",
             "metadata": meta("pure-snapshotclass"),
             "deletionPolicy": "Delete"}],
        "volumeattachments": [],
        "nodes": [node(name, i) for i, name in enumerate(NODES)],
        "csinodes": [{"apiVersion": "storage.k8s.io/v1", "kind": "CSINode",
                      "metadata": meta(name), "spec": {"drivers": [
                          {"name": "pure-csi", "nodeID": name}]}}
                     for name in NODES],
        "intrusions": [
            {"apiVersion": "pso.purestorage.com/v1alpha1",
             "kind": "Intrusion", "metadata": meta("pso-db", "pso"),
             "spec": {"replicas": [
                 {"backendType": replica_backend(n)[0],
                  "backendID": replica_backend(n)[1],
                  "mgmtEndpoint": replica_backend(n)[2],
                  "apiToken": replica_backend(n)[3], "volume": dbvol(n)}
                 for n in (0, 1, 2, 3, 8)]},
             "status": {"status": "Live", "initialized": True,
                        "readyNodes": "5/5", "totalRanges": 40,
                        "underreplicatedRanges": 0, "unavailableRanges": 0,
                        "asOf": "2021-03-01T10:00:00Z", "replicas": [
                            {"backendType": replica_backend(n)[0],
                             "backendID": replica_backend(n)[1],
                             "volume": dbvol(n), "status": "Live",
                             "currentStatusStart": "2021-02-01T10:00:00Z"}
                            for n in (0, 1, 2, 3, 8)]}}],
        "statefulsets": [
            {"apiVersion": "apps/v1", "kind": "StatefulSet",
             "metadata": meta("pso-db-%d" % n, "pso"),
             "spec": {"replicas": 1}, "status": {"readyReplicas": 1}}
            for n in (0, 1, 2, 3, 8)] + [
            {"apiVersion": "apps/v1", "kind": "StatefulSet",
             "metadata": meta("pso-csi-controller", "pso"),
             "spec": {"replicas": 1}, "status": {"readyReplicas": 1}}],
        "deployments": [
            {"apiVersion": "apps/v1", "kind": "Deployment",
             "metadata": meta(name, "pso"), "spec": {"replicas": 1}}
            for name in ("pso-db-deployer", "pso-db-cockroach-operator")],
        "pods": [db_pod(n) for n in (0, 1, 2, 3, 8)] + [
            {"apiVersion": "v1", "kind": "Pod",
             "metadata": meta("pso-csi-controller-0", "pso", annotations={
                 "example.com/key": PEM, "example.com/jwt": "x " + JWT,
                 "example.com/url":
                 "https://admin:%s@array.example/" % PASSWORD,
                 "example.com/base64": base64.b64encode(
                     FB_TOKEN.encode()).decode()}),
             "spec": {"nodeName": NODES[0], "containers": []},
             "status": {"phase": "Running"}}],
        "namespaces": [{"apiVersion": "v1", "kind": "Namespace",
                        "metadata": meta("kube-system",
                                         uid="c1u5-7e4-uid")}],
    }
    arrays = {
        "fa1": {
            "arrays": [{"id": FA_ID, "name": "fa-alpha",
                        "version": "6.1.3", "os": "Purity//FA"}],
            "volumes": [
                {"id": "v%d" % i, "name": name, "serial":
                 "9A738ED78583FD12000%05X" % i, "provisioned": size,
                 "created": 1614592800000 + i, "destroyed": False,
                 "time_remaining": None, "source": {"name": src},
                 "pod": {}, "qos": {"bandwidth_limit": None,
                                    "iops_limit": iops},
                 "subtype": "regular", "connection_count": conn,
                 "space": {"total_physical": 1234 + i}}
                for i, (name, size, src, iops, conn) in enumerate([
                    (vol, 10737418240, None, None, 1),
                    ("pod1::legacy-oracle", 1099511627776, "gold", 5000, 1),
                    ("%s-pvc-dead0000-0000-4000-8000-000000000000" % ID,
                     1073741824, None, None, 0),
                    ("vgroup1/unrelated", 2147483648, None, None, 0),
                    (dbvol(0), 107374182400, None, None, 1),
                    (dbvol(2), 107374182400, None, None, 1),
                    (dbvol(7) + "-u", 107374182400, None, None, 0),
                    (dbvol(8), 107374182400, None, None, 1)])],
            "volume-snapshots": [
                {"id": "s1", "name": "%s.snapshot-%s" % (vol, snap_uid),
                 "suffix": "snapshot-" + snap_uid, "source": {"name": vol},
                 "provisioned": 10737418240, "created": 1614592900000,
                 "destroyed": False},
                {"id": "s2", "name": "vgroup1/unrelated.daily.1",
                 "suffix": "daily.1", "source":
                 {"name": "vgroup1/unrelated"}, "provisioned": 2147483648,
                 "created": 1614592900000, "destroyed": False}],
            "hosts": [
                {"name": name.split(".")[0] + "-pso", "iqns":
                 ["iqn.1993-08.org.debian:01:%s" % name.split(".")[0]],
                 "wwns": ["52:4A:93:7A:00:00:00:0%d" % i], "nqns": [],
                 "chap": {"host_user": "u", "host_password": PASSWORD},
                 "connection_count": 1}
                for i, name in enumerate(NODES)],
            "connections": [
                {"host": {"name": "node-a-pso"}, "host_group": {},
                 "volume": {"id": "v0", "name": vol}, "lun": 1},
                {"host": {"name": "node-b-pso"}, "host_group": {},
                 "volume": {"id": "v1", "name": "pod1::legacy-oracle"},
                 "lun": 2}],
            "ports": [
                {"name": "CT0.ETH4", "iqn":
                 "iqn.2010-06.com.purestorage:flasharray.1", "portal":
                 "10.2.0.1:3260"},
                {"name": "CT0.FC0", "wwn": "52:4A:93:7A:BC:DE:F0:00"}],
        },
        "fb1": {
            "arrays": [{"id": FB_ID, "name": "fb-beta",
                        "version": "3.2.0", "os": "Purity//FB"}],
            "file-systems": [
                {"id": "f%d" % i, "name": name, "provisioned": size,
                 "created": 1614592800000 + i, "destroyed": False,
                 "time_remaining": None, "nfs":
                 {"v3_enabled": True, "rules": "*(rw,no_root_squash)"},
                 "smb": {"enabled": False}, "http": {"enabled": False},
                 "source": {}, "space": {"total_physical": 77 + i}}
                for i, (name, size) in enumerate([
                    ("%s-pvc-%s" % (ID, UIDS[1]), 5368709120),
                    (dbvol(1), 107374182400), (dbvol(3), 107374182400),
                    (dbvol(5) + "-u", 107374182400)])],
            "file-system-snapshots": [],
            "network-interfaces": [
                {"name": "data1", "address": "10.3.0.1", "services":
                 ["data"], "enabled": True}],
        },
    }
    values = """# the token of last year: APIToken: "%s"
app:
  debug: false
clusterID: %s
arrays:
  FlashArrays:
    - MgmtEndPoint: "%s"
      APIToken: "%s"   # of the lab
      Labels:
        rack: "22"
  FlashBlades:
    - MgmtEndPoint: "%s"
      APIToken: &fb "%s"
      NFSEndPoint: "10.3.0.1"
database:
  maxSuspectSeconds: 3600
images:
  plugin: {name: purestorage/k8s, tag: 6.2.3, pullPolicy: Always}
orchestrator:
  name: k8s
  key: |
%s
""" % (OLD_TOKEN, ID, FA_EP, FA_TOKEN, FB_EP, FB_TOKEN,
       "".join("    " + line + "\n" for line in PEM.splitlines()))
    return kube, arrays, values


def move_noise(kube, arrays):
    """What changes by itself between two captures."""
    for items in kube.values():
        for item in items:
            item["metadata"]["resourceVersion"] = "9999"
            item["metadata"]["managedFields"] = []
    kube["intrusions"][0]["status"]["asOf"] = "2021-03-02T11:11:11Z"
    for n in kube["nodes"]:
        n["status"]["conditions"][0]["lastHeartbeatTime"] = \
            "2021-03-02T11:11:11Z"
    for queries in arrays.values():
        for items in queries.values():
            for item in items:
                if "space" in item:
                    item["space"] = {"total_physical": 999999}


def change(kube, arrays, what):
    fa, fb = arrays["fa1"], arrays["fb1"]
    if what == "noise":
        move_noise(kube, arrays)
    elif what == "grown":
        fa["volumes"][0]["provisioned"] = 21474836480
        kube["persistentvolumes"][0]["spec"]["capacity"]["storage"] = "20Gi"
    elif what == "volume-added":
        extra = dict(fa["volumes"][3], name="vgroup1/added", id="v99")
        fa["volumes"].append(extra)
    elif what == "volume-removed":
        del fa["volumes"][3]
    elif what == "snapshot-added":
        fa["volume-snapshots"].append(dict(
            fa["volume-snapshots"][1], name="vgroup1/unrelated.daily.2",
            suffix="daily.2"))
    elif what == "backend-upgraded":
        fb["arrays"][0]["version"] = "3.3.1"
    elif what == "node-removed":
        del kube["nodes"][2]
    elif what == "replica-suspect":
        kube["intrusions"][0]["status"]["replicas"][0]["status"] = "Suspect"
    elif what == "no-intrusion":
        kube["intrusions"] = []
    else:
        sys.exit("no such change: " + what)


def main():
    out = sys.argv[1]
    kube, arrays, values = world()
    for what in sys.argv[2:]:
        change(kube, arrays, what)
    os.makedirs(out + "/kube", exist_ok=True)
    with open(out + "/kube/namespaces.json", "w") as f:
        json.dump(kube.pop("namespaces")[0], f)
    for name, items in kube.items():
        with open("%s/kube/%s.json" % (out, name), "w") as f:
            json.dump({"apiVersion": "v1", "kind": "List", "items": items,
                       "metadata": {"resourceVersion": ""}}, f, indent=4)
    for array, queries in arrays.items():
        os.makedirs("%s/arrays/%s" % (out, array), exist_ok=True)
        for query, items in queries.items():
            with open("%s/arrays/%s/%s.json" % (out, array, query),
                      "w") as f:
                json.dump({"items": items, "more_items_remaining": False,
                           "total_item_count": len(items),
                           "continuation_token": None}, f)
    with open(out + "/values.yaml", "w") as f:
        f.write(values)
    with open(out + "/secrets", "w") as f:
        for secret in (FA_TOKEN, FA2_TOKEN, FB_TOKEN, PASSWORD, PEM_LINE,
                       JWT, ENV_TOKEN, OLD_TOKEN, SESSION,
                       base64.b64encode(FB_TOKEN.encode()).decode()):
            f.write(secret + "\n")


if __name__ == "__main__":
    main()
