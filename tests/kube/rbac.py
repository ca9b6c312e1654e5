#!/usr/bin/python3
"""What a manifest of docs/rbac/ grants, as the simulator's rbac.json.
usage: rbac.py MANIFEST [WITHOUT]   without the Nth single grant
       rbac.py --count MANIFEST     how many there are"""
import json
import sys
import yaml


def grants(path):
    docs = list(yaml.safe_load_all(open(path)))
    roles = {d["metadata"]["name"]: d["rules"] for d in docs
             if d["kind"] == "ClusterRole"}
    for bound in docs:
        if not bound["kind"].endswith("Binding"):
            continue
        assert bound["subjects"][0]["name"] == "varve", bound
        namespace = bound["metadata"].get("namespace") \
            if bound["kind"] == "RoleBinding" else None
        for rule in roles.pop(bound["roleRef"]["name"]):
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        yield {"namespace": namespace, "apiGroups": [group],
                               "resources": [resource], "verbs": [verb],
                               "resourceNames": rule.get("resourceNames")}
    assert not roles, "not bound: %s" % list(roles)


if sys.argv[1] == "--count":
    print(len(list(grants(sys.argv[2]))))
else:
    all = list(grants(sys.argv[1]))
    if len(sys.argv) > 2:
        del all[int(sys.argv[2])]
    print(json.dumps(all))
