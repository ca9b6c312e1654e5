"""A stand-in for kubectl and a cluster behind it: a simulator, after kubectl's
published behaviour.  It keeps objects as files, lets their controllers act as it
is asked, and runs the commands of exec on this machine, in a mount namespace
where each claim is a directory at its mountPath.  $KUBE is the cluster:

    objects/NS/RESOURCE/NAME.json  NS is '_' for what has no namespace
    claims/NS/NAME/                what is in the volume of that claim
    pods/NS/POD/                   where its commands run; pods/NS/POD/env has
                                   NAME=VALUE lines of its environment
    calls                          each call, a line
    unreachable                    no server
    types.json                     more resources: {PLURAL: [KIND, GROUP, NAMESPACED]}
    rbac.json                      all that is allowed, as rules of Roles, each with a
                                   "namespace" or null; without it everything is
                                   ($KUBE_RBAC: another file of that sort; what was
                                   used of it is in $KUBE_RBAC.used)
    faults/NAME.json               {"match": REGEX over the call, "do": WHAT,
                                   "skip": N, "times": N}; WHAT is
                                   {"fail": WORDS, "status": N}, {"sleep": SECONDS},
                                   {"cut-in": BYTES} or {"cut-out": BYTES}: the
                                   connection is lost, and it says nothing of it,
                                   {"break-in": BYTES}: it is lost, and it says so
    hook                           run as 'hook VERB NS RESOURCE NAME' behind each change

Annotations of a pod (or of a template): sim/start-after, sim/stop-after: so many
calls later; sim/never: it stays Pending, for that reason.
Pods run on the node they name, or on the first; a claim that is ReadWriteOnce is on
one node at a time, and a volume with a zone on nodes of that zone only.  fsGroup is
obeyed as kubelet does.  A namespace with the label pod-security.kubernetes.io/enforce
refuses pods that would run as root.
"""
import fcntl
import json
import os
import sys

KUBE = os.environ["KUBE"]
TYPES = {  # plural: kind, group, namespaced, other names
    "pods": ["Pod", "", True, "po"],
    "persistentvolumeclaims": ["PersistentVolumeClaim", "", True, "pvc"],
    "persistentvolumes": ["PersistentVolume", "", False, "pv"],
    "namespaces": ["Namespace", "", False, "ns"],
    "nodes": ["Node", "", False, "no"],
    "configmaps": ["ConfigMap", "", True, "cm"],
    "secrets": ["Secret", "", True, "secret"],
    "services": ["Service", "", True, "svc"],
    "events": ["Event", "", True, "ev"],
    "serviceaccounts": ["ServiceAccount", "", True, "sa"],
    "deployments": ["Deployment", "apps", True, "deploy"],
    "statefulsets": ["StatefulSet", "apps", True, "sts"],
    "daemonsets": ["DaemonSet", "apps", True, "ds"],
    "replicasets": ["ReplicaSet", "apps", True, "rs"],
    "jobs": ["Job", "batch", True, "job"],
    "cronjobs": ["CronJob", "batch", True, "cj"],
    "storageclasses": ["StorageClass", "storage.k8s.io", False, "sc"],
    "volumeattachments": ["VolumeAttachment", "storage.k8s.io", False, "va"],
    "customresourcedefinitions": ["CustomResourceDefinition",
                                  "apiextensions.k8s.io", False, "crd"],
}
SETS = ("deployments", "statefulsets", "replicasets")


def path(*parts):
    return os.path.join(KUBE, *parts)


def fail(words, status=1):
    sys.stderr.write(words + "\n")
    sys.stderr.flush()
    sys.exit(status)


def server(reason, words):
    fail("Error from server (%s): %s" % (reason, words))


def load(name, otherwise=None):
    try:
        with open(name) as f:
            return json.load(f)
    except FileNotFoundError:
        return otherwise


# The command line.

WITH_VALUE = {"-n": "namespace", "--namespace": "namespace", "-c": "container",
              "--container": "container", "-o": "output", "--output": "output",
              "-l": "selector", "--selector": "selector", "-f": "file",
              "--filename": "file", "-p": "patch", "--patch": "patch",
              "--type": "type", "--context": "context",
              "--kubeconfig": "kubeconfig", "--request-timeout": "timeout",
              "--field-selector": "fields", "--replicas": "replicas",
              "--subresource": "subresource", "--ignore-not-found": None,
              "--wait": None, "--grace-period": "grace", "--since": "since",
              "--tail": "tail", "--timeout": "timeout"}
FLAGS = {"-A": "all", "--all-namespaces": "all", "-i": "stdin",
         "--stdin": "stdin", "--ignore-not-found": "lenient",
         "--minify": "minify", "--client": "client", "-q": "quiet",
         "--server-side": "server-side", "--force-conflicts": "force"}


def read_words(argv):
    options, words = {}, []
    i = 0
    while i < len(argv):
        word = argv[i]
        i += 1
        name, has, value = word.partition("=")
        if word == "--":
            return options, words, argv[i:]
        if not word.startswith("-") or word == "-":
            words.append(word)
        elif has and name in ("--ignore-not-found", "--wait"):
            options[name[2:]] = value == "true"
            if name == "--ignore-not-found":
                options["lenient"] = value == "true"
        elif has and name in WITH_VALUE:
            options[WITH_VALUE[name]] = value
        elif word in FLAGS:
            options[FLAGS[word]] = True
        elif WITH_VALUE.get(word):
            options[WITH_VALUE[word]] = argv[i]
            i += 1
        else:
            fail("error: unknown flag: " + word)
    return options, words, None


# Objects.

def find_type(word):
    word, _, group = word.lower().partition(".")
    for plural, what in TYPES.items():
        if word in (plural, what[0].lower()) or word in what[3:]:
            if not group or group.split(".", 1)[-1] == what[1] or \
                    group == what[1]:
                return plural
    fail("error: the server doesn't have a resource type \"%s\"" % word)


def full(plural):
    group = TYPES[plural][1]
    return plural + "." + group if group else plural


def home(ns, plural):
    return ns if TYPES[plural][2] else "_"


def file_of(ns, plural, name):
    return path("objects", home(ns, plural), plural, name + ".json")


def get(ns, plural, name):
    return load(file_of(ns, plural, name))


def put(ns, plural, obj, verb):
    meta = obj["metadata"]
    name = file_of(ns, plural, meta["name"])
    version = load(path("version"), 0) + 1
    meta["resourceVersion"] = str(version)
    meta.setdefault("uid", "00000000-0000-0000-0000-%012d" % version)
    meta.setdefault("creationTimestamp", "2026-01-21T02:00:00Z")
    if TYPES[plural][2]:
        meta["namespace"] = ns
    write(path("version"), version)
    write(name, obj)
    told.append((verb, ns, plural, meta["name"]))


def write(name, obj):
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name + "~", "w") as f:
        json.dump(obj, f, indent=1)
    os.rename(name + "~", name)


def drop(ns, plural, name):
    os.unlink(file_of(ns, plural, name))
    told.append(("delete", ns, plural, name))


def listed(ns, plural):
    places = [home(ns, plural)] if ns or not TYPES[plural][2] else \
        sorted(os.listdir(path("objects")))
    for place in places:
        folder = path("objects", place, plural)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if name.endswith(".json"):
                obj = load(os.path.join(folder, name))
                if obj:
                    yield obj


told = []


# What the controllers do.

def note(obj, key):
    return obj["metadata"].get("annotations", {}).get(key)


def claims_of(pod):
    return [v["persistentVolumeClaim"]["claimName"]
            for v in pod["spec"].get("volumes", [])
            if "persistentVolumeClaim" in v]


def pods_with(ns, claim, but):
    for pod in listed(ns, "pods"):
        if claim in claims_of(pod) and pod["metadata"]["name"] != but and \
                pod.get("status", {}).get("phase") == "Running":
            yield pod


def choose_node(pod):
    spec = pod["spec"]
    want = spec.get("nodeName") or \
        spec.get("nodeSelector", {}).get("kubernetes.io/hostname")
    for term in spec.get("affinity", {}).get("nodeAffinity", {}).get(
            "requiredDuringSchedulingIgnoredDuringExecution", {}).get(
            "nodeSelectorTerms", []):
        for match in term.get("matchFields", []):
            if match["key"] == "metadata.name":
                want = match["values"][0]
    for node in listed("", "nodes"):
        if want in (None, node["metadata"]["name"]):
            return node["metadata"]["name"]
    return want or "node-1"


def zone_of(pv):
    terms = pv.get("spec", {}).get("nodeAffinity", {}).get("required", {}) \
        .get("nodeSelectorTerms", [])
    for term in terms:
        for match in term.get("matchExpressions", []):
            if match["key"].endswith("/zone"):
                return match["values"]


def hindrance(ns, pod, node):
    """Why it cannot run on that node; or None."""
    if note(pod, "sim/never"):
        return note(pod, "sim/never")
    for c in pod["spec"]["containers"]:
        if "nosuch" in c.get("image", ""):
            return "ErrImagePull"
    for claim in claims_of(pod):
        pvc = get(ns, "persistentvolumeclaims", claim)
        if not pvc:
            return 'persistentvolumeclaim "%s" not found' % claim
        pv = get("", "persistentvolumes", pvc["spec"].get("volumeName", "")) or {}
        zones = zone_of(pv)
        at = (get("", "nodes", node) or {}).get("metadata", {}) \
            .get("labels", {}).get("topology.kubernetes.io/zone")
        if zones and at not in zones:
            return "node(s) had volume node affinity conflict"
        if "ReadWriteMany" in pvc["spec"].get("accessModes", []):
            continue
        for other in pods_with(ns, claim, pod["metadata"]["name"]):
            if other["spec"].get("nodeName") != node:
                return "Multi-Attach error for volume: it is attached to " + \
                    other["spec"]["nodeName"]
    return None


def obey_fs_group(ns, pod):
    group = pod["spec"].get("securityContext", {}).get("fsGroup")
    for claim in claims_of(pod) if group is not None else ():
        top = path("claims", ns, claim)
        for at, dirs, files in os.walk(top):
            for name in dirs + files:
                one = os.path.join(at, name)
                os.chown(one, -1, group, follow_symlinks=False)
        os.chown(top, -1, group)
        os.chmod(top, os.stat(top).st_mode | 0o2070)


def countdown(pod, key):
    left = int(note(pod, key) or 0)
    if left:
        pod["metadata"]["annotations"][key] = str(left - 1)
    return left


def live(ns, pod):
    """A step in a pod's life; true where something changed."""
    meta, status = pod["metadata"], pod.setdefault("status", {})
    if "deletionTimestamp" in meta:
        if countdown(pod, "sim/stop-after"):
            put(ns, "pods", pod, "update")
        else:
            drop(ns, "pods", meta["name"])
        return
    if status.get("phase", "Pending") != "Pending":
        return
    node = choose_node(pod)
    why = hindrance(ns, pod, node)
    waits = why or countdown(pod, "sim/start-after")
    before = json.dumps(pod)
    if waits:
        status.update(phase="Pending", conditions=[
            {"type": "PodScheduled", "status": "False",
             "reason": "Unschedulable", "message": str(why or "")}])
        if why == "ErrImagePull":
            status["containerStatuses"] = [
                {"name": c["name"], "ready": False, "state": {"waiting": {
                    "reason": why, "message": "no such image"}}}
                for c in pod["spec"]["containers"]]
    else:
        pod["spec"]["nodeName"] = node
        obey_fs_group(ns, pod)
        status.update(phase="Running", conditions=[
            {"type": "Ready", "status": "True"}], containerStatuses=[
            {"name": c["name"], "ready": True, "state": {"running": {}}}
            for c in pod["spec"]["containers"]])
    if waits or json.dumps(pod) != before:
        put(ns, "pods", pod, "update")


def pods_of(ns, owner):
    return [p for p in listed(ns, "pods")
            if any(o.get("uid") == owner["metadata"]["uid"]
                   for o in p["metadata"].get("ownerReferences", []))]


def make_pod(ns, plural, owner, number):
    template = owner["spec"].get("template", {})
    meta = json.loads(json.dumps(template.get("metadata", {})))
    name = owner["metadata"]["name"]
    meta["name"] = "%s-%d" % (name, number) if plural == "statefulsets" else \
        "%s-5d9c7b-%05d" % (name, number)
    meta["ownerReferences"] = [{
        "kind": TYPES[plural][0], "name": name, "controller": True,
        "uid": owner["metadata"]["uid"]}]
    spec = json.loads(json.dumps(template.get("spec", {
        "containers": [{"name": "main", "image": "image"}]})))
    for claim in owner["spec"].get("volumeClaimTemplates", []):
        own = claim["metadata"]["name"]
        spec.setdefault("volumes", []).append({
            "name": own, "persistentVolumeClaim": {
                "claimName": "%s-%s" % (own, meta["name"])}})
    put(ns, "pods", {"apiVersion": "v1", "kind": "Pod", "metadata": meta,
                     "spec": spec}, "create")


def follow(ns, plural, owner):
    want = owner["spec"].setdefault("replicas", 1)
    have = [p for p in pods_of(ns, owner)
            if "deletionTimestamp" not in p["metadata"]]
    for pod in have[want:]:
        pod["metadata"]["deletionTimestamp"] = "2026-01-21T03:00:00Z"
        put(ns, "pods", pod, "update")
    names = {p["metadata"]["name"] for p in pods_of(ns, owner)}
    number = 0
    missing = want - len(have)
    while missing > 0:
        before = len(told)
        made = "%s-%d" % (owner["metadata"]["name"], number) \
            if plural == "statefulsets" else \
            "%s-5d9c7b-%05d" % (owner["metadata"]["name"], number)
        if made not in names:
            make_pod(ns, plural, owner, number)
            missing -= 1
        elif plural == "statefulsets" and len(told) == before and \
                number > want + 8:
            break
        number += 1
    ready = sum(p.get("status", {}).get("phase") == "Running" for p in have)
    status = {"replicas": len(pods_of(ns, owner)), "readyReplicas": ready,
              "availableReplicas": ready, "updatedReplicas": ready,
              "observedGeneration": owner["metadata"].get("generation", 1)}
    if owner.get("status") != status:
        owner["status"] = status
        put(ns, plural, owner, "update")


def controllers():
    for plural in SETS:
        for owner in list(listed("", plural)):
            follow(owner["metadata"]["namespace"], plural, owner)
    for pod in list(listed("", "pods")):
        live(pod["metadata"]["namespace"], pod)


# Permissions.

def allowed(ns, verb, plural, sub="", name="", group=None):
    rules = load(os.environ.get("KUBE_RBAC") or path("rbac.json"))
    if rules is None:
        return True
    if group is None:
        group = TYPES[plural][1] if plural in TYPES else ""
    resource = plural + ("/" + sub if sub else "")
    for rule in rules:
        if rule.get("namespace") not in (None, ns):
            continue
        if rule.get("resourceNames") and name not in rule["resourceNames"]:
            continue
        if (group in rule["apiGroups"] or "*" in rule["apiGroups"]) and \
                (resource in rule["resources"] or "*" in rule["resources"]) and \
                (verb in rule["verbs"] or "*" in rule["verbs"]):
            return True
    return False


def demand(ns, verb, plural, sub="", name=""):
    if os.environ.get("KUBE_RBAC"):
        with open(os.environ["KUBE_RBAC"] + ".used", "a") as f:
            f.write(json.dumps([ns or None, verb, plural + ("/" + sub if sub else ""),
                                name]) + "\n")
    if not allowed(ns, verb, plural, sub, name):
        of = '%s "%s"' % (full(plural), name) if name else full(plural)
        server("Forbidden", '%s is forbidden: User "varve" cannot %s resource '
               '"%s%s" in API group "%s"%s' % (
                   of, verb, plural, "/" + sub if sub else "", TYPES[plural][1],
                   ' in the namespace "%s"' % ns if ns else ""))


# The commands.

def targets(words):
    """TYPE NAME…, TYPE/NAME… or TYPE[,TYPE]: pairs with name or None."""
    if words and "/" in words[0]:
        return [(find_type(w.split("/")[0]), w.split("/", 1)[1]) for w in words]
    kinds = [find_type(w) for w in words[0].split(",")]
    if len(words) > 1:
        return [(kinds[0], name) for name in words[1:]]
    return [(kind, None) for kind in kinds]


def fits(obj, selector):
    labels = obj["metadata"].get("labels", {})
    for part in selector.split(",") if selector else ():
        key, has, value = part.replace("==", "=").partition("=")
        if key.endswith("!"):
            if labels.get(key[:-1]) == value:
                return False
        elif key.startswith("!"):
            if key[1:] in labels:
                return False
        elif key not in labels or (has and labels[key] != value):
            return False
    return True


def at_field(obj, fields):
    for part in fields.split(",") if fields else ():
        key, _, value = part.replace("==", "=").partition("=")
        node = obj
        for step in key.split("."):
            node = node.get(step, {}) if isinstance(node, dict) else {}
        if node != value:
            return False
    return True


def missing(plural, name):
    server("NotFound", '%s "%s" not found' % (full(plural), name))


def do_get(options, words):
    found, one = [], None
    for plural, name in targets(words):
        ns = "" if options.get("all") else options["namespace"]
        if not TYPES[plural][2]:
            ns = ""
        demand(ns, "get" if name else "list", plural, "", name)
        if name is None:
            found += [o for o in listed(ns, plural)
                      if fits(o, options.get("selector")) and
                      at_field(o, options.get("fields"))]
            continue
        one = get(ns, plural, name)
        if one:
            found.append(one)
        elif not options.get("lenient"):
            missing(plural, name)
    output = options.get("output")
    if output == "name":
        for o in found:
            print("%s/%s" % (o["kind"].lower(), o["metadata"]["name"]))
    elif output != "json":
        for o in found:
            print(o["metadata"]["name"])
    elif one and len(found) == 1 and len(targets(words)) == 1:
        print(json.dumps(found[0], indent=4))
    elif found or targets(words)[0][1] is None:
        print(json.dumps({"apiVersion": "v1", "kind": "List", "items": found},
                         indent=4))


def read_file(options):
    if options.get("file") != "-":
        with open(options["file"]) as f:
            text = f.read()
    else:
        text = sys.stdin.read()
    try:
        doc = json.loads(text)
    except ValueError:
        fail("error: error parsing STDIN: it is no JSON")
    return doc["items"] if doc.get("kind", "").endswith("List") else [doc]


def root_refused(ns, pod):
    labels = (get("", "namespaces", ns) or {}).get("metadata", {}) \
        .get("labels", {})
    if labels.get("pod-security.kubernetes.io/enforce") not in (
            "restricted", "baseline"):
        return False
    top = pod["spec"].get("securityContext", {})
    for c in pod["spec"]["containers"]:
        own = c.get("securityContext", {})
        if not own.get("runAsUser", top.get("runAsUser")):
            return True
    return False


def make(ns, plural, obj):
    meta = obj.setdefault("metadata", {})
    if "name" not in meta:
        meta["name"] = meta["generateName"] + \
            "%05d" % load(path("version"), 0)
    name = meta["name"]
    if get(ns, plural, name):
        server("AlreadyExists", '%s "%s" already exists' % (full(plural), name))
    if TYPES[plural][2] and not get("", "namespaces", ns):
        server("NotFound", 'namespaces "%s" not found' % ns)
    if plural == "pods" and root_refused(ns, obj):
        server("Forbidden", 'pods "%s" is forbidden: violates PodSecurity '
               '"restricted:latest": runAsNonRoot != true' % name)
    meta["generation"] = 1
    put(ns, plural, obj, "create")


def do_create(options, _):
    for obj in read_file(options):
        plural = find_type(obj["kind"])
        ns = obj.get("metadata", {}).get("namespace") or options["namespace"]
        demand(ns, "create", plural)
        make(ns, plural, obj)
        print("%s/%s created" % (plural, obj["metadata"]["name"]))


def merge(a, b, strategic=False):
    for key, value in b.items():
        if value is None:
            a.pop(key, None)
        elif isinstance(value, dict) and isinstance(a.get(key), dict):
            merge(a[key], value, strategic)
        elif strategic and isinstance(value, list) and \
                isinstance(a.get(key), list) and value and \
                all(isinstance(x, dict) and "name" in x for x in value):
            for x in value:
                same = [y for y in a[key] if y.get("name") == x["name"]]
                if same:
                    merge(same[0], x, True)
                else:
                    a[key].append(x)
        else:
            a[key] = value


def json_patch(obj, steps):
    for step in steps:
        keys = [k.replace("~1", "/").replace("~0", "~")
                for k in step["path"].split("/")[1:]]
        at = obj
        for key in keys[:-1]:
            at = at[int(key)] if isinstance(at, list) else at[key]
        key = keys[-1]
        key = int(key) if isinstance(at, list) and key != "-" else key
        if step["op"] == "test":
            if at[key] != step["value"]:
                raise ValueError
        elif step["op"] == "remove":
            del at[key]
        elif isinstance(at, list) and step["op"] == "add":
            at.insert(len(at) if key == "-" else key, step["value"])
        else:
            at[key] = step["value"]


def changed(ns, plural, obj):
    obj["metadata"]["generation"] = obj["metadata"].get("generation", 1) + 1
    put(ns, plural, obj, "update")


def do_apply(options, _):
    for obj in read_file(options):
        plural = find_type(obj["kind"])
        name = obj["metadata"]["name"]
        ns = obj["metadata"].get("namespace") or options["namespace"]
        demand(ns, "get", plural, "", name)
        old = get(ns, plural, name)
        if old is None:
            demand(ns, "create", plural)
            make(ns, plural, obj)
        else:
            demand(ns, "patch", plural, "", name)
            merge(old, obj, True)
            changed(ns, plural, old)
        print("%s/%s %s" % (plural, name, "configured" if old else "created"))


def do_patch(options, words):
    (plural, name), = targets(words)
    ns = options["namespace"] if TYPES[plural][2] else ""
    demand(ns, "patch", plural, "", name)
    obj = get(ns, plural, name)
    if not obj:
        missing(plural, name)
    patch = json.loads(options["patch"])
    try:
        if options.get("type", "strategic") == "json":
            json_patch(obj, patch)
        else:
            merge(obj, patch, options.get("type", "strategic") == "strategic")
    except (ValueError, KeyError, IndexError):
        server("Invalid", "the server rejected our request due to an error in "
               "our request")
    changed(ns, plural, obj)
    print("%s/%s patched" % (plural, name))


def do_scale(options, words):
    (plural, name), = targets(words)
    ns = options["namespace"]
    demand(ns, "get", plural, "", name)
    demand(ns, "patch", plural, "scale", name)
    obj = get(ns, plural, name)
    if not obj:
        missing(plural, name)
    obj["spec"]["replicas"] = int(options["replicas"])
    changed(ns, plural, obj)
    print("%s/%s scaled" % (plural, name))


def do_delete(options, words):
    for plural, name in targets(words):
        ns = options["namespace"] if TYPES[plural][2] else ""
        demand(ns, "delete", plural, "", name)
        obj = get(ns, plural, name)
        if not obj and not options.get("lenient"):
            missing(plural, name)
        if not obj:
            continue
        if plural == "pods":
            obj["metadata"]["deletionTimestamp"] = "2026-01-21T03:00:00Z"
            put(ns, plural, obj, "update")
        else:
            drop(ns, plural, name)
            for pod in pods_of(ns, obj):
                drop(ns, "pods", pod["metadata"]["name"])
        print('%s "%s" deleted' % (plural, name))


def do_auth(options, words):
    verb, word = words[2], words[3]
    word, _, name = word.partition("/")
    first, _, group = word.partition(".")
    try:
        plural = next(p for p, t in TYPES.items()
                      if first in (p, t[0].lower()) or first in t[3:])
    except StopIteration:
        sys.stderr.write("Warning: the server doesn't have a resource type "
                         "'%s'\n\n" % word)
        plural = first
    ns = "" if options.get("all") else options["namespace"]
    yes = allowed(ns, verb, plural, options.get("subresource", ""), name,
                  group or None)
    print("yes" if yes else "no")
    sys.exit(0 if yes else 1)


def do_config(options, words):
    context = options.get("context") or "lab-admin"
    if words[1] == "current-context":
        print("lab-admin")
        return
    print(json.dumps({
        "clusters": [{"name": "api-lab:6443", "cluster": {
            "server": "https://api.lab.example:6443"}}],
        "contexts": [{"name": context, "context": {"cluster": "api-lab:6443",
                                                  "user": "u"}}],
        "users": [{"name": "u", "user": {
            "token": os.environ.get("KUBE_PLANTED", "none")}}]}))


def do_version(options, _):
    doc = {"clientVersion": {"major": "1", "minor": "32",
                             "gitVersion": "v1.32.4"}}
    if not options.get("client"):
        doc["serverVersion"] = doc["clientVersion"]
    print(json.dumps(doc))


# exec

def container_of(ns, name, wanted):
    pod = get(ns, "pods", name)
    if not pod:
        missing("pods", name)
    if not wanted:
        fail("error: the container is to be named")
    for c in pod["spec"]["containers"]:
        if c["name"] == wanted:
            break
    else:
        fail("error: container %s not found in pod %s" % (wanted, name))
    if pod["status"].get("phase") != "Running":
        fail("error: unable to upgrade connection: container not found "
             "(\"%s\")" % wanted)
    return pod, c


def pour(source, target, limit):
    """Copy at most limit bytes; 0 where they ran out."""
    while limit:
        data = os.read(source, min(limit, 65536))
        if not data:
            return 0
        limit -= len(data)
        try:
            while data:
                data = data[os.write(target, data):]
        except BrokenPipeError:
            return 0
    return 1


def do_exec(options, words, command):
    ns = options["namespace"]
    demand(ns, "get", "pods", "", words[0])
    demand(ns, "create", "pods", "exec", words[0])
    pod, container = container_of(ns, words[0], options.get("container"))
    settle()
    folder = path("pods", ns, words[0])
    os.makedirs(folder, exist_ok=True)
    given, taken = os.pipe() if "in" in cut or "break" in cut else (0, None)
    shown, printed = os.pipe() if "out" in cut else (None, 1)
    from pod_world import enter
    pid = os.fork()
    if pid == 0:
        try:
            if not options.get("stdin"):
                given = os.open("/dev/null", os.O_RDONLY)
            os.dup2(given, 0)
            os.dup2(printed, 1)
            if taken:
                os.close(taken)
            environment = enter(KUBE, ns, pod, container)
            os.execvpe(command[0], command, environment)
        except FileNotFoundError:
            sys.stderr.write('exec: "%s": executable file not found in $PATH\n'
                             % command[0])
            sys.stderr.flush()
            os._exit(127)
        except OSError as e:
            sys.stderr.write("the simulator: %s\n" % e)
            os._exit(126)
    if taken:
        limit = cut.get("in", cut.get("break"))
        os.close(given)
        lost = pour(0, taken, limit)
        os.close(taken)
        if lost and "break" in cut:
            os.waitpid(pid, 0)
            fail("error: lost connection to pod")
    if shown is not None:
        os.close(printed)
        pour(shown, 1, cut["out"])
        os.close(shown)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if cut:
        sys.exit(0)
    if status:
        status = status if status > 0 else 128 - status
        fail("command terminated with exit code %d" % status, status)


# Faults, and the way of a call.

cut = {}


def meet_faults(line):
    import re
    folder = path("faults")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if not name.endswith(".json"):
            continue
        fault = load(os.path.join(folder, name))
        if not re.search(fault["match"], line, re.S):
            continue
        if fault.get("skip", 0) > 0:
            fault["skip"] -= 1
            write(os.path.join(folder, name), fault)
            continue
        if fault.get("times", 1) <= 0:
            continue
        fault["times"] = fault.get("times", 1) - 1
        write(os.path.join(folder, name), fault)
        do = fault["do"]
        if "sleep" in do:
            settle()
            import time
            time.sleep(do["sleep"])
        if "fail" in do:
            fail(do["fail"], do.get("status", 1))
        for key, short in (("cut-in", "in"), ("cut-out", "out"),
                           ("break-in", "break")):
            if key in do:
                cut[short] = do[key]


lock = None


def settle():
    """What was changed is told to the hook, and others may come in."""
    global lock
    if lock is None:
        return
    os.close(lock)
    lock = None
    hook = path("hook")
    for what in told:
        if os.access(hook, os.X_OK):
            os.spawnv(os.P_WAIT, hook, [hook, *what])
    told.clear()


COMMANDS = {"get": do_get, "create": do_create, "apply": do_apply,
            "patch": do_patch, "scale": do_scale, "delete": do_delete,
            "auth": do_auth, "config": do_config, "version": do_version}


def main():
    global lock
    if os.isatty(0) or os.isatty(1):
        fail("the simulator was given a terminal", 9)
    line = " ".join(sys.argv[1:])
    with open(path("calls"), "a") as f:
        f.write(line.replace("\n", " ") + "\n")
    TYPES.update(load(path("types.json"), {}))
    options, words, command = read_words(sys.argv[1:])
    options.setdefault("namespace", "default")
    if not words or words[0] not in {*COMMANDS, "exec"}:
        fail("error: unknown command \"%s\"" % " ".join(words))
    if words[0] in ("config", "version") and \
            (words[0] == "config" or options.get("client")):
        return COMMANDS[words[0]](options, words)
    if os.path.exists(path("unreachable")):
        fail("The connection to the server api.lab.example:6443 was refused - "
             "did you specify the right host or port?")
    lock = os.open(path("lock"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    meet_faults(line)
    controllers()
    if words[0] == "exec":
        return do_exec(options, words[1:], command)
    try:
        COMMANDS[words[0]](options, words if words[0] == "auth" else words[1:])
        controllers()
    finally:
        settle()



