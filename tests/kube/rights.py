#!/usr/bin/python3
"""What each call of kubectl asks of an API server, and whether rules grant it.
usage: rights.py CALLS MANIFEST...  CALLS: a call a line, as simulators note them
       rights.py --used RULES       RULES.used: what a simulator was asked

It prints what was called and the manifests do not grant, and what they grant and was
never called; nothing where both agree.  Also a module of simulators."""
import json
import sys

ALSO = {"po": "pods", "pod": "pods", "pvc": "persistentvolumeclaims",
        "persistentvolumeclaim": "persistentvolumeclaims",
        "pv": "persistentvolumes", "persistentvolume": "persistentvolumes",
        "ns": "namespaces", "namespace": "namespaces", "sa": "serviceaccounts",
        "serviceaccount": "serviceaccounts", "deploy": "deployments",
        "deployment": "deployments", "statefulset": "statefulsets",
        "replicaset": "replicasets", "job": "jobs",
        "storageclass": "storageclasses", "node": "nodes",
        "customresourcedefinition": "customresourcedefinitions"}
GROUPS = {"deployments": "apps", "statefulsets": "apps", "replicasets": "apps",
          "jobs": "batch", "storageclasses": "storage.k8s.io",
          "volumeattachments": "storage.k8s.io", "csinodes": "storage.k8s.io",
          "volumesnapshots": "snapshot.storage.k8s.io",
          "volumesnapshotcontents": "snapshot.storage.k8s.io",
          "volumesnapshotclasses": "snapshot.storage.k8s.io",
          "intrusions": "pso.purestorage.com",
          "postgresclusters": "postgres-operator.crunchydata.com",
          "customresourcedefinitions": "apiextensions.k8s.io"}
NO_NAMESPACE = ("namespaces", "nodes", "persistentvolumes", "storageclasses",
                "volumeattachments", "csinodes", "volumesnapshotcontents",
                "volumesnapshotclasses", "customresourcedefinitions")
WITH_VALUE = ("-n", "--namespace", "-c", "--container", "-o", "--output", "-l",
              "--selector", "-f", "--filename", "-p", "--patch", "--type",
              "--context", "--kubeconfig", "--tail")
# What other versions of kubectl ask instead: it is granted, and not used here.
OLDER = (("get", "pods/exec"), ("get", "deployments/scale"),
         ("update", "deployments/scale"), ("get", "statefulsets/scale"),
         ("update", "statefulsets/scale"))


def plural(word):
    word = word.split(".")[0].lower()
    return ALSO.get(word, word)


def read(words):
    options, rest, words = {}, [], list(words)
    while words:
        word = words.pop(0)
        if word == "--":
            break
        if word in WITH_VALUE:
            options[word] = words.pop(0)
        elif word.startswith("-") and word != "-":
            options[word.split("=")[0]] = word.partition("=")[2]
        else:
            rest.append(word)
    return options, rest


def things(words):
    """TYPE/NAME…, TYPE NAME… or TYPE,TYPE as pairs, the name '' where it is all."""
    if words and "/" in words[0]:
        return [(plural(w.split("/")[0]), w.split("/", 1)[1]) for w in words]
    if len(words) > 1:
        return [(plural(words[0]), name) for name in words[1:]]
    return [(plural(w), "") for w in words[0].split(",")]


def demands(words, made="persistentvolumeclaims"):
    """Of a call: (namespace or None, verb, resource, name); made: what create
    makes."""
    options, rest = read(words)
    verb = rest[0] if rest else ""
    ns = options.get("-n", options.get("--namespace", "default"))
    if "-A" in options:
        ns = None
    found = []

    def want(what, resource, name=""):
        base = resource.split("/")[0]
        found.append((None if base in NO_NAMESPACE else ns, what, resource,
                      name))

    if verb == "get":
        for resource, name in things(rest[1:]):
            want("get" if name else "list", resource, name)
    elif verb == "exec":
        want("get", "pods", rest[1])
        want("create", "pods/exec", rest[1])
    elif verb == "logs":
        for resource, name in things(rest[1:] if "/" in rest[1] else
                                     ["pods"] + rest[1:]):
            want("get", resource, name)
            if resource != "pods":
                want("list", "pods")
        want("get", "pods/log")
    elif verb == "scale":
        for resource, name in things(rest[1:]):
            want("get", resource, name)
            want("patch", resource + "/scale", name)
    elif verb == "delete":
        for resource, name in things(rest[1:]):
            want("delete", resource, name)
    elif verb == "patch":
        for resource, name in things(rest[1:]):
            want("get", resource, name)
            want("patch", resource, name)
    elif verb == "create" and "--dry-run" not in options:
        want("create", made)
    return found


def allows(rule, demand):
    ns, verb, resource, name = demand
    group = GROUPS.get(resource.split("/")[0], "")
    return rule.get("namespace") in (None, ns) and \
        group in rule["apiGroups"] and resource in rule["resources"] and \
        verb in rule["verbs"] and \
        (not rule.get("resourceNames") or name in rule["resourceNames"])


def granted(rules, demand):
    return any(allows(rule, demand) for rule in rules)


def words_of(rule):
    names = ":".join(rule["resources"] + (rule.get("resourceNames") or []))
    return rule["verbs"][0] + " " + names


def idle(rules, used):
    """Grants that none of the demands has used."""
    return [words_of(r) for r in rules
            if not any(allows(r, d) for d in used) and
            (r["verbs"][0], r["resources"][0]) not in OLDER]


def main(calls, *manifests):
    if calls == "--used":
        rules = json.load(open(manifests[0]))
        used = {tuple(json.loads(line)) for line in open(manifests[0] + ".used")}
    else:
        from rbac import grants
        rules = [rule for one in manifests for rule in grants(one)]
        # a suite does it in a namespace of its own
        for rule in rules:
            rule["namespace"] = None
        used = {one for line in open(calls) for one in demands(line.split())}
    for demand in sorted(used, key=str):
        if not granted(rules, demand):
            print("not granted:", demand)
    for words in idle(rules, used):
        print("not used:", words)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main(*sys.argv[1:])
