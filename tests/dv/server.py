#!/usr/bin/env python3
"""What answers a stand-in for kubectl: a SIMULATOR, after its published behaviour, of one
namespace with an instance of Data Virtualization in it.  $KUBE has

    objects/KIND/NAME.json   what there is; Deployments get and lose their pods,
                             Jobs run (pod_run), claims have directories
    pv/CLAIM                 a claim's volume; pods really see it mounted
    calls                    each call, a line
    made/NAME                what was created, as it was asked for
    fail                     a pattern of calls, by lines: each fails, once
    linger                   how many gets a pod that ends is still seen
    keep-writers             something writes to dv-pvc whatever is scaled
    no-pull                  names of Jobs whose pods stay Pending, without image
    unreachable              no server
    forbidden                'auth can-i' says no to these, by lines
$RIGHTS is a file of all that is allowed, as tests/kube/rbac.py prints it; what was
used of it is in $RIGHTS.used.

Commands in pods really run: in a mount namespace with the volumes the pod
mounts where it mounts them, as the user it runs as.

It listens at $KUBE.socket (tests/kube/served.py); kubectl.c hands it its words and
descriptors.
"""
import fcntl
import json
import os
import re
import subprocess
import sys

import yaml

from pods import enter
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "../kube"))
import rights  # noqa: E402

sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)),
                             "../kube"))
from served import listen  # noqa: E402

KUBE = os.environ["KUBE"]
HERE = os.path.dirname(os.path.realpath(__file__))
OBJECTS = os.path.join(KUBE, "objects")
KINDS = {"po": "pods", "pod": "pods", "deployment": "deployments",
         "deploy": "deployments", "job": "jobs", "jobs.batch": "jobs",
         "deployments.apps": "deployments", "statefulset": "statefulsets",
         "persistentvolumeclaim": "persistentvolumeclaims",
         "pvc": "persistentvolumeclaims", "pv": "persistentvolumes",
         "persistentvolume": "persistentvolumes", "namespace": "namespaces",
         "ns": "namespaces", "storageclass": "storageclasses",
         "serviceaccount": "serviceaccounts", "sa": "serviceaccounts"}
OF = {"Job": "jobs", "Pod": "pods", "PersistentVolumeClaim":
      "persistentvolumeclaims", "Deployment": "deployments"}
GLOBAL = ("namespaces", "persistentvolumes", "storageclasses")


def die(words, status=1):
    print(words, file=sys.stderr)
    sys.exit(status)


def kind_of(word):
    kind = word.lower()
    kind = KINDS.get(kind, kind)
    kind = KINDS.get(kind.split(".")[0], kind)
    if not os.path.isdir(os.path.join(OBJECTS, kind)):
        die(f'error: the server doesn\'t have a resource type "{word}"')
    return kind


def path_of(kind, name):
    return os.path.join(OBJECTS, kind, name + ".json")


def load(kind, name):
    try:
        with open(path_of(kind, name)) as file:
            return json.load(file)
    except FileNotFoundError:
        group = {"deployments": "deployments.apps",
                 "jobs": "jobs.batch"}.get(kind, kind)
        die(f'Error from server (NotFound): {group} "{name}" not found')


def store(kind, name, thing):
    meta = thing["metadata"]
    meta["resourceVersion"] = str(int(meta.get("resourceVersion", "0")) + 1)
    new = path_of(kind, name) + ".new"
    with open(new, "w") as file:
        json.dump(thing, file)
    os.rename(new, path_of(kind, name))


def names(kind):
    return sorted(n[:-5] for n in os.listdir(os.path.join(OBJECTS, kind))
                  if n.endswith(".json"))


def drop(kind, name):
    try:
        os.unlink(path_of(kind, name))
    except FileNotFoundError:
        pass


def uid():
    return open("/proc/sys/kernel/random/uuid").read().strip()


# Controllers.

def pod_of(owner, tail, template, kind):
    pod = {"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": f"{owner['metadata']['name']}-{tail}",
                        "namespace": owner["metadata"]["namespace"],
                        "uid": uid(),
                        "labels": template.get("metadata", {}).get("labels") or {},
                        "ownerReferences": [{"kind": kind, "controller": True,
                                             "name": owner["metadata"]["name"]}]},
           "spec": json.loads(json.dumps(template["spec"])),
           "status": {"phase": "Running", "conditions":
                      [{"type": "Ready", "status": "True"}],
                      "containerStatuses": [
                          {"name": c["name"], "ready": True, "state":
                           {"running": {}}}
                          for c in template["spec"]["containers"]]}}
    store("pods", pod["metadata"]["name"], pod)
    return pod["metadata"]["name"]


def children(kind, name):
    for pod in names("pods"):
        thing = load("pods", pod)
        for owner in thing["metadata"].get("ownerReferences", []):
            if owner["kind"] == kind and owner["name"] == name:
                yield pod, thing


def end_pod(name):
    pod = load("pods", name)
    linger = os.path.join(KUBE, "linger")
    if os.path.exists(linger):
        pod["metadata"]["deletionTimestamp"] = "2021-01-22T19:27:31Z"
        pod["linger"] = int(open(linger).read())
        store("pods", name, pod)
    else:
        drop("pods", name)


def reconcile(name):
    thing = load("deployments", name)
    want = thing["spec"].get("replicas", 1)
    have = [p for p, o in children("Deployment", name)
            if "deletionTimestamp" not in o["metadata"]]
    for pod in have[want:]:
        end_pod(pod)
    for n in range(len(have), want):
        pod_of(thing, f"{uid()[:5]}", thing["spec"]["template"], "Deployment")
    thing["status"] = {"replicas": want, "readyReplicas": want,
                       "observedGeneration": 1}
    store("deployments", name, thing)
    note_writers()


def note_writers():
    """While pods of the Deployments are there, something writes."""
    writers = [p for d in names("deployments") for p, _ in
               children("Deployment", d)]
    mark = os.path.join(KUBE, "pv/dv-pvc/1.5.0/.writers")
    if writers or os.path.exists(os.path.join(KUBE, "keep-writers")):
        open(mark, "w").close()
    elif os.path.exists(mark):
        os.unlink(mark)


def start_job(job):
    name = job["metadata"]["name"]
    pod = pod_of(job, uid()[:5], job["spec"]["template"], "Job")
    no_pull = os.path.join(KUBE, "no-pull")
    if os.path.exists(no_pull) and name in open(no_pull).read().split():
        thing = load("pods", pod)
        thing["status"] = {"phase": "Pending", "containerStatuses": [
            {"name": c["name"], "ready": False, "state": {"waiting": {
                "reason": "ImagePullBackOff", "message":
                f"Back-off pulling image \"{c.get('image', '')}\""}}}
            for c in thing["spec"]["containers"]]}
        store("pods", pod, thing)
        return
    os.makedirs(os.path.join(KUBE, "logs"), exist_ok=True)
    # what only waits needs no process
    command = job["spec"]["template"]["spec"]["containers"][0].get("command", [])
    if any("sleep" in w or "tail -f" in w for w in command):
        return
    with open(os.path.join(KUBE, "logs", pod), "wb") as log:
        child = subprocess.Popen([sys.executable, "-BSE",
                                  os.path.join(HERE, "pod_run"), name, pod],
                                 stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=log, start_new_session=True)
    with open(os.path.join(KUBE, "logs", pod + ".pid"), "w") as file:
        file.write(str(child.pid))


def stop_job(name):
    for pod, _ in list(children("Job", name)):
        pid = os.path.join(KUBE, "logs", pod + ".pid")
        if os.path.exists(pid):
            subprocess.run(["kill", "-9", "--", "-" + open(pid).read()],
                           stderr=subprocess.DEVNULL)
        end_pod(pod)


def seen(pod):
    """A pod that ends, once more; false where it is gone now."""
    if "linger" not in pod:
        return True
    pod["linger"] -= 1
    if pod["linger"] < 0:
        drop("pods", pod["metadata"]["name"])
        note_writers()
        return False
    store("pods", pod["metadata"]["name"], pod)
    return True


# Verbs.

class Call:
    def __init__(self, words):
        self.words, self.flags, self.behind = [], {}, []
        takes = {"-n", "-c", "-o", "-l", "-f", "--context", "--kubeconfig",
                 "--namespace", "--container", "--replicas", "--type", "-p",
                 "--patch", "--tail", "--output", "--selector"}
        while words:
            word = words.pop(0)
            if word == "--":
                self.behind = words
                break
            if word in takes:
                self.flags[word] = words.pop(0)
            elif word.startswith("--") and "=" in word:
                key, value = word.split("=", 1)
                self.flags[key] = value
            elif word.startswith("-") and word != "-":
                self.flags[word] = "true"
            else:
                self.words.append(word)

    def get(self, *keys):
        for key in keys:
            if key in self.flags:
                return self.flags[key]
        return None

    def things(self):
        rest = self.words[1:]
        if rest and "/" in rest[0]:
            for word in rest:
                kind, name = word.split("/", 1)
                yield kind_of(kind), name
        else:
            for name in rest[1:]:
                yield kind_of(rest[0]), name


def fits(thing, selector):
    labels = thing["metadata"].get("labels", {})
    for part in (selector or "").split(","):
        if part and labels.get(part.split("=")[0]) != part.split("=")[-1]:
            return False
    return True


def verb_get(call):
    named = list(call.things())
    ns = call.get("-n", "--namespace")
    if named:
        found = [load(k, n) for k, n in named]
        if len(found) == 1:
            return print(json.dumps(found[0]))
    else:
        found = []
        for kind in map(kind_of, call.words[1].split(",")):
            for name in names(kind):
                thing = load(kind, name)
                if ns and kind not in GLOBAL and \
                        thing["metadata"].get("namespace") != ns:
                    continue
                if fits(thing, call.get("-l", "--selector")) and \
                        (kind != "pods" or seen(thing)):
                    found.append(thing)
    print(json.dumps({"apiVersion": "v1", "kind": "List", "items": found}))


def verb_scale(call):
    for kind, name in call.things():
        thing = load(kind, name)
        thing["spec"]["replicas"] = int(call.get("--replicas"))
        store(kind, name, thing)
        reconcile(name)
        print(f"{kind}/{name} scaled")


def read_thing(call):
    text = INPUT if call.get("-f") == "-" else open(call.get("-f")).read()
    try:
        return json.loads(text)
    except ValueError:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as e:
            die(f"error: error parsing STDIN: error converting YAML to JSON: {e}")


def make(thing, call, replace):
    ns = call.get("-n", "--namespace")
    meta = thing.get("metadata") or {}
    kind = OF.get(thing.get("kind")) or die(
        f'error: unable to recognize "STDIN": no matches for kind "{thing.get("kind")}"')
    if meta.get("namespace", ns) != ns:
        die("error: the namespace from the provided object does not match")
    meta.setdefault("namespace", ns)
    name = meta["name"]
    if os.path.exists(path_of(kind, name)) and not replace:
        die(f'Error from server (AlreadyExists): {kind} "{name}" already exists')
    if kind == "jobs":
        for c in thing["spec"]["template"]["spec"]["containers"]:
            if not c.get("image"):
                die(f'The Job "{name}" is invalid: spec.template.spec.'
                    'containers[0].image: Required value')
    meta["uid"] = uid()
    os.makedirs(os.path.join(KUBE, "made"), exist_ok=True)
    with open(os.path.join(KUBE, "made", name), "w") as file:
        json.dump(thing, file)
    thing["status"] = {}
    store(kind, name, thing)
    if kind == "jobs":
        start_job(thing)
    if kind == "persistentvolumeclaims":
        os.makedirs(os.path.join(KUBE, "pv", name, "1.5.0"), exist_ok=True)
        thing["status"] = {"phase": "Bound"}
        thing["spec"]["volumeName"] = "pv-" + name
        store(kind, name, thing)
    print(f"{kind}/{name} created")


def verb_create(call, replace=False):
    thing = read_thing(call)
    if call.get("--dry-run"):
        thing.setdefault("metadata", {}).setdefault(
            "namespace", call.get("-n", "--namespace") or "default")
        return print(json.dumps(thing))
    make(thing, call, replace)


def verb_delete(call):
    for kind, name in call.things():
        if not os.path.exists(path_of(kind, name)):
            if call.get("--ignore-not-found"):
                continue
            load(kind, name)
        if kind == "jobs":
            stop_job(name)
        if kind == "pods":
            end_pod(name)
        else:
            drop(kind, name)
        print(f'{kind} "{name}" deleted')


def verb_logs(call):
    word = call.words[1]
    kind, name = word.split("/") if "/" in word else ("pod", word)
    pods = [p for p, _ in children("Job", name)] if kind.startswith("job") \
        else [name]
    if not pods:
        die(f"error: timed out waiting for the condition")
    path = os.path.join(KUBE, "logs", pods[-1])
    if os.path.exists(path):
        sys.stdout.write(open(path, errors="replace").read())


def rules():
    path = os.environ.get("RIGHTS", "")
    return json.load(open(path)) if path and os.path.exists(path) else None


def demand(words, made):
    """What the API server would ask whether it is allowed."""
    allowed = rules()
    for one in rights.demands(words, made) if allowed is not None else ():
        with open(os.environ["RIGHTS"] + ".used", "a") as used:
            used.write(json.dumps(one) + "\n")
        if not rights.granted(allowed, one):
            ns, verb, resource, name = one
            die(f'Error from server (Forbidden): {resource} "{name}" is '
                f'forbidden: User "varve" cannot {verb} resource "{resource}" '
                f'in the namespace "{ns}"')


def verb_auth(call):
    what = " ".join(call.words[2:])
    path = os.path.join(KUBE, "forbidden")
    no = os.path.exists(path) and what in open(path).read().split("\n")
    word, _, name = call.words[3].partition("/")
    resource, group = rights.plural(word), word.partition(".")[2]
    no |= bool(group) and group != rights.GROUPS.get(resource)
    if call.get("--subresource"):
        resource += "/" + call.get("--subresource")
    ns = None if call.get("-A") else call.get("-n", "--namespace")
    if rules() is not None:
        no |= not rights.granted(rules(), (ns, call.words[2], resource, name))
    print("no" if no else "yes")
    sys.exit(1 if no else 0)


def verb_config(call):
    if call.words[1] == "current-context":
        return print("cpd-admin")
    print(json.dumps({"clusters": [{"name": "roks", "cluster":
                      {"server": "https://api.roks.example:6443"}}]}))


def verb_version(call):
    print('{"clientVersion": {"gitVersion": "v1.32.4"}}')


def verb_patch(call):
    def merge(a, b):
        for k, v in b.items():
            if v is None:
                a.pop(k, None)
            elif isinstance(v, dict) and isinstance(a.get(k), dict):
                merge(a[k], v)
            else:
                a[k] = v
    for kind, name in call.things():
        thing = load(kind, name)
        merge(thing, json.loads(call.get("-p", "--patch")))
        store(kind, name, thing)
        print(f"{kind}/{name} patched")


def verb_exec(call):
    pod = load("pods", call.words[1])
    container = call.get("-c", "--container")
    if not container:
        die("Defaulted container")
    mine = [c for c in pod["spec"]["containers"] if c["name"] == container]
    if not mine:
        die(f"error: container {container} is not valid for pod {call.words[1]}")
    if pod["status"]["phase"] != "Running":
        die("error: cannot exec into a container in a completed pod; current "
            f"phase is {pod['status']['phase']}")
    fcntl.flock(LOCK, fcntl.LOCK_UN)
    stdin = None if call.get("-i", "--stdin") else subprocess.DEVNULL
    done = subprocess.run(call.behind, stdin=stdin,
                          preexec_fn=lambda: enter(KUBE, pod, mine[0]))
    if done.returncode:
        die(f"command terminated with exit code {done.returncode}",
            done.returncode if 0 < done.returncode < 256 else 137)


VERBS = {"get": verb_get, "scale": verb_scale, "create": verb_create,
         "apply": lambda c: verb_create(c, True), "delete": verb_delete,
         "logs": verb_logs, "auth": verb_auth, "patch": verb_patch,
         "exec": verb_exec, "config": verb_config, "version": verb_version}


def inject(line):
    path = os.path.join(KUBE, "fail")
    if not os.path.exists(path):
        return
    lines = open(path).read().splitlines()
    for at, pattern in enumerate(lines):
        if pattern and re.search(pattern, line, re.DOTALL):
            with open(path, "w") as file:
                file.write("\n".join(lines[:at] + lines[at + 1:]))
            die("Error from server (InternalError): an injected failure")


def main(words):
    global INPUT, LOCK
    if os.isatty(0) and os.isatty(1):
        die("it was given a terminal")
    line = " ".join(w for w in words if not w.startswith("--request-timeout"))
    call = Call(list(words))
    INPUT = sys.stdin.read() if call.get("-f") == "-" else ""
    LOCK = open(os.path.join(KUBE, "lock"), "w")
    fcntl.flock(LOCK, fcntl.LOCK_EX)
    with open(os.path.join(KUBE, "calls"), "a") as calls:
        calls.write(line.replace("\n", " ") + "\n")
    verb = call.words[0] if call.words else ""
    if verb != "config" and os.path.exists(os.path.join(KUBE, "unreachable")):
        die("The connection to the server api.roks.example:6443 was refused - "
            "did you specify the right host or port?")
    inject(line)
    if verb not in VERBS:
        die(f"error: unknown command {call.words}")
    demand(words, OF.get(json.loads(INPUT).get("kind")) if verb == "create"
           and INPUT.startswith("{") else "")
    VERBS[verb](call)


if __name__ == "__main__":
    listen(main)
