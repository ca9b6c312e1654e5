#!/usr/bin/python3
"""What a manifest of docs/rbac/ grants, as the simulator's rbac.json.
usage: rbac.py [--in NAMESPACE] MANIFEST...   in place of the manifest's; '-': in all
       rbac.py MANIFEST WITHOUT     without the Nth single grant
       rbac.py --count MANIFEST     how many there are
       rbac.py --tell MANIFEST      as guides have it, a rule a line"""
import json
import sys
import textwrap
import yaml


def rules_of(path):
    """Each rule with the namespace it is bound in, or None."""
    quick = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    docs = list(yaml.load_all(open(path), quick))
    roles = {d["metadata"]["name"]: d["rules"] for d in docs
             if d["kind"] == "ClusterRole"}
    for bound in docs:
        if not bound["kind"].endswith("Binding"):
            continue
        assert bound["subjects"][0]["name"] == "varve", bound
        namespace = bound["metadata"].get("namespace") \
            if bound["kind"] == "RoleBinding" else None
        for rule in roles.pop(bound["roleRef"]["name"]):
            yield namespace, rule
    assert not roles, "not bound: %s" % list(roles)


def grants(path):
    for namespace, rule in rules_of(path):
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield {"namespace": namespace, "apiGroups": [group],
                           "resources": [resource], "verbs": [verb],
                           "resourceNames": rule.get("resourceNames")}


def tell(path):
    for namespace, rule in rules_of(path):
        head = "    %-9s  %-23s  " % ("namespace" if namespace else "cluster",
                                      " ".join(rule["verbs"]))
        what = [", ".join(rule["resources"])]
        for name in rule.get("resourceNames") or []:
            what.append(name)
        for line in what:
            for part in textwrap.wrap(line, 86 - len(head),
                                      break_long_words=False):
                print(head + part)
                head = " " * len(head)


def main(words):
    if words[0] == "--count":
        return print(len(list(grants(words[1]))))
    if words[0] == "--tell":
        return tell(words[1])
    place = words[1] if words[0] == "--in" else None
    without = words.pop() if words[-1].isdigit() else None
    all = [grant for path in words[2 if place else 0:]
           for grant in grants(path)]
    if without:
        del all[int(without)]
    for grant in all:
        if place and grant["namespace"]:
            grant["namespace"] = None if place == "-" else place
    print(json.dumps(all))


if __name__ == "__main__":
    main(sys.argv[1:])
