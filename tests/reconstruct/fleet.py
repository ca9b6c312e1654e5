#!/usr/bin/python3 -SE
"""Write what a fleet of two FlashArrays and a FlashBlade, and its cluster, answer.

usage: fleet.py DIR [CHANGE...]

As ../pso/world.py has it, whose shapes these are, with more of all.  kube/exec/POD are what exec runs in that pod.  A CHANGE
is a function of this file below "Changes", '_' written as '-'.
"""
import datetime
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "pso"))
import world as w  # noqa: E402

ID = w.ID
GIB = 1 << 30
FA2_ID = "63d6a0b1-0000-4000-8000-000000000003"
EP = {"fa1": os.environ.get("FA_EP") or "10.0.0.5",
      "fa2": os.environ.get("FA2_EP", "10.0.0.7"),
      "fb1": os.environ.get("FB_EP", "10.0.0.6")}
AID = {"fa1": w.FA_ID, "fa2": FA2_ID, "fb1": w.FB_ID}
NAME = {"fa1": "fa-alpha", "fa2": "fa-gamma", "fb1": "fb-beta"}
# number of a replica and its array; numbers grow as replicas are replaced
REPLICAS = [(3, "fa1"), (5, "fa1"), (4, "fa2"), (8, "fa2"), (6, "fb1")]
NODES = w.NODES


def uid(n):
    return "%08x-93a2-4c1d-8b55-2f1f8a0c7d11" % n


def now(back=5):
    return (datetime.datetime.utcnow() - datetime.timedelta(seconds=back)) \
        .strftime("%Y-%m-%dT%H:%M:%SZ")


def volume(name, size, n, array):
    return {"id": "%s-%d" % (array, n), "name": name,
            "serial": "9A738ED7%s0012%08X" % ("8583" if array == "fa1" else
                                              "C0DE", n),
            "provisioned": size, "created": 1614592800000 + n,
            "destroyed": False, "time_remaining": None, "source": {},
            "pod": {}, "qos": {"bandwidth_limit": None, "iops_limit": None},
            "subtype": "regular", "connection_count": 0, "space": {}}


def system(name, size, n):
    return {"id": "fb1-%d" % n, "name": name, "provisioned": size,
            "created": 1614592800000 + n, "destroyed": False,
            "time_remaining": None,
            "nfs": {"v3_enabled": False, "v4_1_enabled": True,
                    "rules": "*(rw,no_root_squash)"},
            "smb": {"enabled": False}, "http": {"enabled": False},
            "source": {}, "space": {}}


class Fleet:
    def __init__(self, count=40):
        self.kube, _, _ = w.world()
        self.arrays = {}
        for a in ("fa1", "fa2", "fb1"):
            self.arrays[a] = {"arrays": [
                {"id": AID[a], "name": NAME[a], "version": "6.1.3"}]}
            if a != "fb1":
                for query in ("volumes", "volume-snapshots", "hosts",
                              "connections", "ports"):
                    self.arrays[a][query] = []
            else:
                for query in ("file-systems", "file-system-snapshots",
                              "network-interfaces"):
                    self.arrays[a][query] = []
        self.n = 0
        self.exec = {}
        self.tag, self.id = "6.2.3", ID
        self.claims(count)
        self.datastore(REPLICAS)
        self.put_aside()
        self.cluster()

    # Parts.

    def add(self, array, name, size):
        self.n += 1
        made = system(name, size, self.n) if array == "fb1" else \
            volume(name, size, self.n, array)
        self.items(array).append(made)
        return made

    def items(self, array):
        return self.arrays[array]["file-systems" if array == "fb1" else
                                  "volumes"]

    def claims(self, count):
        pvs, pvcs, attached = [], [], []
        for n in range(count):
            array = ("fa1", "fa1", "fa2", "fb1")[n % 4]
            u, ns, name = uid(n), "ns-%d" % (n % 5), "data-%02d" % n
            handle = "%s-pvc-%s" % (ID, u)
            cls = "pure-file" if array == "fb1" else "pure-block"
            pvs.append(w.pv("pvc-" + u, handle, ns, name, u, "%dGi" % (n + 1),
                            cls, backend="file" if array == "fb1" else
                            "block"))
            pvcs.append(w.pvc(ns, name, u, "pvc-" + u, "%dGi" % (n + 1), cls))
            self.add(array, handle, (n + 1) * GIB)
            if n % 3 == 0:
                attached.append({
                    "apiVersion": "storage.k8s.io/v1",
                    "kind": "VolumeAttachment",
                    "metadata": w.meta("csi-%d" % n),
                    "spec": {"attacher": "pure-csi",
                             "nodeName": NODES[n % 3], "source":
                             {"persistentVolumeName": "pvc-" + u}},
                    "status": {"attached": True}})
        # what other clusters and people have, which concerns nobody here
        self.add("fa1", "other_lab-pvc-" + uid(9000), GIB)
        self.add("fa1", "other_lab-pso-db_0000000003", GIB)
        self.add("fa2", "vgroup1/scratch", GIB)
        self.add("fa2", ID + "2-pvc-" + uid(9001), GIB)
        self.kube.update(persistentvolumes=pvs, persistentvolumeclaims=pvcs,
                         volumeattachments=attached, volumesnapshots=[],
                         volumesnapshotcontents=[])

    def datastore(self, replicas):
        self.replicas = replicas
        kind = {"fa1": "FlashArray", "fa2": "FlashArray", "fb1": "FlashBlade"}
        for n, array in replicas:
            self.add(array, w.dbvol(n), 100 * GIB)
        self.kube["intrusions"] = [{
            "apiVersion": "pso.purestorage.com/v1alpha1", "kind": "Intrusion",
            "metadata": w.meta("pso-db", "pso"),
            "spec": {"replicas": [
                {"backendType": kind[a], "backendID": AID[a],
                 "mgmtEndpoint": EP[a], "apiToken": w.FA_TOKEN,
                 "volume": w.dbvol(n)} for n, a in replicas]},
            "status": {"status": "Live", "initialized": True,
                       "readyNodes": "%d/%d" % (len(replicas), len(replicas)),
                       "totalRanges": 40, "underreplicatedRanges": 0,
                       "unavailableRanges": 0, "asOf": now(),
                       "replicas": [
                           {"backendType": kind[a], "backendID": AID[a],
                            "volume": w.dbvol(n), "status": "Live",
                            "currentStatusStart": now(9999)}
                           for n, a in replicas]}}]
        labels = {"labels": {"chart": "pure-pso-6.2.3"}, "annotations":
                  {"meta.helm.sh/release-name": "pso-lab"}}
        self.kube["statefulsets"] = [
            {"apiVersion": "apps/v1", "kind": "StatefulSet",
             "metadata": w.meta(name, "pso", **labels),
             "spec": {"replicas": 1}, "status": {"readyReplicas": 1}}
            for name in ["pso-db-%d" % n for n, _ in replicas] +
            ["pso-csi-controller"]]
        self.kube["deployments"] = [
            {"apiVersion": "apps/v1", "kind": "Deployment",
             "metadata": w.meta(name, "pso", **labels),
             "spec": {"replicas": 1}, "status": {"readyReplicas": 1}}
            for name in ("pso-db-deployer", "pso-db-cockroach-operator")]
        pods = [self.pod("pso-db-%d-0" % n, i, "cockroachdb", w.dbvol(n))
                for i, (n, _) in enumerate(replicas)]
        pods.append(self.pod("pso-csi-controller-0", 0, "pso-csi-container"))
        pods.append(self.pod("pso-db-cockroach-operator-7d9", 1, "operator"))
        pods += [self.pod("pso-csi-node-%d" % i, i, "pso-csi-container")
                 for i in range(3)]
        self.kube["pods"] = pods

    def pod(self, name, i, container, vol=None):
        self.exec[name] = True
        return {"apiVersion": "v1", "kind": "Pod",
                "metadata": w.meta(name, "pso"),
                "spec": {"nodeName": NODES[i % 3], "containers": [
                    {"name": container,
                     "image": "purestorage/k8s:v6.2.3",
                     "args": ["--volume", vol] if vol else []}]},
                "status": {"phase": "Running", "conditions": [
                    {"type": "Ready", "status": "True"}]}}

    def put_aside(self):
        """Pairs: of 2 both may go; 3 is in use again; 7 is a file system."""
        self.add("fa1", w.dbvol(2), 100 * GIB)
        self.add("fa1", w.dbvol(2) + "-u", 100 * GIB)
        self.add("fa1", w.dbvol(3) + "-u", 100 * GIB)
        self.add("fb1", w.dbvol(7) + "-u", 100 * GIB)
        # of another array: no pair of 2-u
        self.add("fa2", w.dbvol(2), 100 * GIB)
        self.add("fa2", w.dbvol(1) + "-backup", GIB)

    def cluster(self):
        self.definitions = {n: w.definition(n) for n in (
            "volumesnapshotclasses.snapshot.storage.k8s.io",
            "volumesnapshotcontents.snapshot.storage.k8s.io",
            "volumesnapshots.snapshot.storage.k8s.io")}

    def values(self, tag=None):
        return """clusterID: %s
arrays:
  FlashArrays:
    - MgmtEndPoint: "%s"
      APIToken: "%s"
    - MgmtEndPoint: "%s"
      APIToken: "%s"
  FlashBlades:
    - MgmtEndPoint: "%s"
      APIToken: "%s"
      NFSEndPoint: "10.3.0.1"
flashblade:
  exportRules: "*(rw,no_root_squash)"
database:
  maxSuspectSeconds: 3600
images:
  plugin: {name: purestorage/k8s, tag: %s, pullPolicy: Always}
""" % (self.id, EP["fa1"], w.FA_TOKEN, EP["fa2"], w.FA_TOKEN, EP["fb1"],
            w.FB_TOKEN, tag or self.tag)

    # Finding.

    def pv(self, n):
        return self.kube["persistentvolumes"][n]

    def vol(self, n):
        handle = self.pv(n)["spec"]["csi"]["volumeHandle"]
        for array in self.arrays:
            for item in self.items(array):
                if item["name"] == handle:
                    return array, item
        raise KeyError(handle)

    @property
    def intrusion(self):
        return self.kube["intrusions"][0]

    # Changes: what PVs and volumes are to each other.

    def missing(self):
        array, item = self.vol(3)
        self.items(array).remove(item)

    def orphan(self):
        self.add("fa2", "%s-pvc-%s" % (ID, uid(777)), 7 * GIB)

    def duplicate(self):
        self.add("fa2", self.pv(4)["spec"]["csi"]["volumeHandle"], 5 * GIB)

    def size(self):
        self.vol(5)[1]["provisioned"] = 60 * GIB

    def destroyed(self):
        self.vol(6)[1].update(destroyed=True, time_remaining=3600000)

    def wrong_id(self):
        self.add("fa1", "old_lab-pvc-" + uid(800), GIB)
        self.kube["persistentvolumes"].append(w.pv(
            "pvc-" + uid(800), "old_lab-pvc-" + uid(800), "erp", "old",
            uid(800), "1Gi", "pure-block", backend="block"))
        self.kube["persistentvolumeclaims"].append(w.pvc(
            "erp", "old", uid(800), "pvc-" + uid(800), "1Gi", "pure-block"))

    def imported(self):
        self.add("fa1", "pod1::oracle", GIB)
        self.kube["persistentvolumes"].append(w.pv(
            "pv-import", "pod1::oracle", "erp", "oracle", uid(801), "1Gi",
            "pure-block", backend="block"))
        self.kube["persistentvolumeclaims"].append(w.pvc(
            "erp", "oracle", uid(801), "pv-import", "1Gi", "pure-block"))

    def twice(self):
        self.kube["persistentvolumes"].append(w.pv(
            "pv-again", self.pv(7)["spec"]["csi"]["volumeHandle"], "erp",
            "again", uid(802), "8Gi", "pure-file", backend="file"))

    def lost(self):
        self.kube["persistentvolumeclaims"].append(w.pvc(
            "erp", "lost", uid(803), "pvc-" + uid(803), "1Gi", "pure-block"))

    # Changes of the datastore.

    def under_replicated(self):
        self.intrusion["status"]["underreplicatedRanges"] = 3

    def unavailable(self):
        self.intrusion["status"]["unavailableRanges"] = 1

    def not_live(self):
        self.intrusion["status"]["status"] = "Down"

    def suspect(self):
        self.intrusion["status"]["replicas"][1]["status"] = "Suspect"

    def stale(self):
        self.intrusion["status"]["asOf"] = now(7200)

    def few_ready(self):
        self.intrusion["status"]["readyNodes"] = "4/5"

    def pod_not_ready(self):
        self.kube["pods"][2]["status"]["conditions"][0]["status"] = "False"

    def no_intrusion(self):
        self.kube["intrusions"] = []

    def one_node(self):
        for pod in self.kube["pods"]:
            pod["spec"]["nodeName"] = NODES[0]

    def uneven(self):
        for spec in self.intrusion["spec"]["replicas"][2:]:
            spec.update(backendType="FlashArray", backendID=AID["fa1"],
                        mgmtEndpoint=EP["fa1"])
        for status in self.intrusion["status"]["replicas"][2:]:
            status.update(backendType="FlashArray", backendID=AID["fa1"])

    def six(self):
        self.intrusion["spec"]["replicas"].append(
            dict(self.intrusion["spec"]["replicas"][0],
                 volume=w.dbvol(9)))

    def seven(self):
        for n, array in REPLICAS:
            self.items(array)[:] = [i for i in self.items(array)
                                    if i["name"] != w.dbvol(n)]
        self.datastore(REPLICAS + [(9, "fa2"), (10, "fb1")])

    def six_live(self):
        """Six, all of them well: a fleet that is being changed."""
        status = self.intrusion["status"]
        self.six()
        status["replicas"].append(dict(status["replicas"][0],
                                       volume=w.dbvol(9)))
        status["readyNodes"] = "6/6"
        self.add("fa1", w.dbvol(9), 100 * GIB)
        self.kube["pods"].append(self.pod("pso-db-9-0", 2, "cockroachdb",
                                          w.dbvol(9)))

    def destroyed_replica(self):
        for item in self.items("fa1"):
            if item["name"] == w.dbvol(5):
                item.update(destroyed=True, time_remaining=3600000)

    def plugin_not_ready(self):
        for pod in self.kube["pods"]:
            if pod["metadata"]["name"] == "pso-csi-controller-0":
                pod["status"]["conditions"][0]["status"] = "False"

    def near_cap(self):
        for n in range(30, 43):
            self.add("fa2", w.dbvol(n) + "-u", GIB)

    def cap(self):
        for n in range(30, 47):
            self.add("fa2", w.dbvol(n) + "-u", GIB)

    def no_operator(self):
        del self.kube["deployments"][1]

    def old_version(self):
        self.tag = "6.1.1"
        for kind in ("statefulsets", "deployments"):
            for o in self.kube[kind]:
                o["metadata"]["labels"]["chart"] = "pure-pso-6.1.1"

    def other_id(self):
        self.id = "k8s_prod"

    def no_definitions(self):
        self.definitions = {}

    def definitions_v1(self):
        for d in self.definitions.values():
            d["spec"]["versions"][1]["served"] = False

    def no_class(self):
        self.kube["volumesnapshotclasses"] = []

    def snapshots(self):
        self.kube["volumesnapshotcontents"] = \
            w.world()[0]["volumesnapshotcontents"]

    def removed_backend(self):
        self.gone = True

    # Changes of what is installed.

    def uninstalled(self):
        for kind in ("statefulsets", "deployments", "pods", "intrusions"):
            self.kube[kind] = []
        self.exec = {}

    def lingering(self):
        self.uninstalled()
        self.kube["pods"] = [self.pod("pso-db-cockroach-operator-7d9", 1,
                                      "operator")]

    def many_attached(self):
        attached = self.kube["volumeattachments"]
        for n in range(2040 - len(attached)):
            attached.append(dict(attached[0], metadata=w.meta("csi-m%d" % n)))

    def detached(self):
        self.kube["volumeattachments"].pop()


def write(out, fleet):
    os.makedirs(out + "/kube/exec")
    kube = dict(fleet.kube)
    with open(out + "/kube/namespaces.json", "w") as f:
        json.dump(kube.pop("namespaces")[0], f)
    for name, items in kube.items():
        with open("%s/kube/%s.json" % (out, name), "w") as f:
            json.dump({"apiVersion": "v1", "kind": "List", "items": items,
                       "metadata": {"resourceVersion": ""}}, f)
    os.makedirs(out + "/kube/customresourcedefinition")
    for name, d in fleet.definitions.items():
        with open("%s/kube/customresourcedefinition/%s.json" % (out, name),
                  "w") as f:
            json.dump(d, f)
    os.makedirs(out + "/kube/pod")
    for pod in kube["pods"]:
        with open("%s/kube/pod/%s.json" % (out, pod["metadata"]["name"]),
                  "w") as f:
            json.dump(pod, f)
    for pod in fleet.exec:
        path = out + "/kube/exec/" + pod
        with open(path, "w") as f:
            f.write('#!/bin/sh\nexec "$PSO_KUBE/../execute" %s "$@"\n' % pod)
        os.chmod(path, 0o755)
    with open(out + "/values.yaml", "w") as f:
        f.write(fleet.values())
    with open(out + "/secrets", "w") as f:
        f.write("%s\n%s\n%s\n" % (w.FA_TOKEN, w.FB_TOKEN, w.SESSION))
    for array, queries in fleet.arrays.items():
        os.makedirs("%s/arrays/%s" % (out, array), exist_ok=True)
        for query, items in queries.items():
            with open("%s/arrays/%s/%s.json" % (out, array, query),
                      "w") as f:
                json.dump({"items": items}, f)


def main():
    out, words = sys.argv[1], sys.argv[2:]
    fleet = Fleet()
    for word in words:
        if word:
            getattr(fleet, word.replace("-", "_"))()
    write(out, fleet)


main()
