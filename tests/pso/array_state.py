"""What changing calls do to a simulated array: FlashArray and FlashBlade.

The state is arrays/<ARRAY>/<RESOURCE>.json, items as the array answers them,
read for each call and replaced under one lock; so a test reads what the array
has in the same files.  From the published interface (swagger of FA and FB 2.x):

FlashArray   POST, PATCH, DELETE /volumes?names=, /hosts?names=,
             POST, DELETE /connections?host_names=&volume_names=
FlashBlade   POST, PATCH, DELETE /file-systems?names=

- name and destroyed in one PATCH of a volume are refused, as Purity does
- a name is taken until its volume is eradicated
- connected volumes are not destroyed; what is destroyed takes no other change
- a volume shrinks only with truncate=true
- a file system has a name for good; it is destroyed only with every protocol off
- SafeMode (a file "safemode", or "safemode-<ARRAY>") refuses DELETE of what is
  destroyed
A program DIR/hook, where there is one, is run behind each change:
    hook ARRAY EVENT NAME SERIAL SIZE [HOST]
with EVENT create, resize, rename, destroy, recover, eradicate, connect,
disconnect.
"""
import json
import os
import random
import subprocess
import threading
import time

DAY_MS = 86400000
LOCK = threading.RLock()


class Refused(Exception):
    def __init__(self, message, context=None, status=400):
        super().__init__(message)
        self.message, self.context, self.status = message, context, status


class State:
    def __init__(self, root, array):
        self.root, self.array = root, array
        self.dir = os.path.join(root, "arrays", array)

    def path(self, resource):
        return os.path.join(self.dir, resource + ".json")

    def items(self, resource):
        with LOCK, open(self.path(resource)) as f:
            return json.load(f)["items"]

    def write(self, resource, items):
        new = self.path(resource) + ".new"
        with open(new, "w") as f:
            json.dump({"items": items, "more_items_remaining": False,
                       "total_item_count": len(items),
                       "continuation_token": None}, f)
        os.rename(new, self.path(resource))

    def safe_mode(self):
        return any(os.path.exists(os.path.join(self.root, name))
                   for name in ("safemode", "safemode-" + self.array))

    def hook(self, event, item, host=None):
        hook = os.path.join(self.root, "hook")
        if os.access(hook, os.X_OK):
            words = [hook, self.array, event, item["name"],
                     item.get("serial", ""), str(item.get("provisioned", 0))]
            subprocess.run(words + ([host] if host else []), check=True)

    def change(self, verb, resource, args, body):
        """The items that it answers with; Refused where it does not."""
        calls = {"volumes": self.volumes, "hosts": self.hosts,
                 "connections": self.connections,
                 "file-systems": self.file_systems}
        if resource not in calls or not os.path.exists(self.path(resource)):
            raise Refused("no such path", resource, 404)
        with LOCK:
            items = self.items(resource)
            given = calls[resource](verb, items, args, body)
            self.write(resource, items)
            return given

    # What any resource with names has.

    def one(self, items, args, kind, absent=False):
        name = args.get("names")
        if not name or "," in name:
            raise Refused("Invalid parameter names.")
        found = [i for i in items if i["name"] == name]
        if absent and found:
            raise Refused(kind + " already exists.", name)
        if not absent and not found:
            raise Refused(kind + " does not exist.", name)
        return name if absent else found[0]

    @staticmethod
    def only(body, *keys):
        for key in body:
            if key not in keys:
                raise Refused("Invalid parameter %s." % key)

    def eradicate(self, items, item, kind):
        if not item["destroyed"]:
            raise Refused(kind + " is not destroyed.", item["name"])
        if self.safe_mode():
            raise Refused("Eradication is disabled: SafeMode is on.",
                          item["name"], 403)
        items.remove(item)
        self.hook("eradicate", item)
        return []

    def mark(self, item, destroyed, kind):
        if destroyed == item["destroyed"]:
            raise Refused("%s is %sdestroyed." % (
                kind, "already " if destroyed else "not "), item["name"])
        item["destroyed"] = destroyed
        item["time_remaining"] = DAY_MS if destroyed else None
        self.hook("destroy" if destroyed else "recover", item)
        return [item]

    # FlashArray.

    def volumes(self, verb, items, args, body):
        if verb == "POST":
            return [self.volume_new(items, args, body)]
        volume = self.one(items, args, "Volume")
        if verb == "DELETE":
            return self.eradicate(items, volume, "Volume")
        if "destroyed" in body:
            if len(body) > 1:
                raise Refused("Invalid combination of parameters specified.",
                              volume["name"])
            if body["destroyed"] and self.connected(volume["name"]):
                raise Refused("Volume cannot be deleted because it is "
                              "connected to one or more hosts or host "
                              "groups.", volume["name"])
            return self.mark(volume, body["destroyed"], "Volume")
        if volume["destroyed"]:
            raise Refused("Volume has been destroyed.", volume["name"])
        self.only(body, "name", "provisioned", "qos")
        if "name" in body:
            self.rename(items, volume, body["name"])
        if "provisioned" in body:
            self.resize(volume, body["provisioned"], args)
        volume.setdefault("qos", {}).update(body.get("qos", {}))
        return [volume]

    def volume_new(self, items, args, body):
        self.only(body, "provisioned", "source", "qos")
        over = args.get("overwrite") == "true"
        found = [i for i in items if i["name"] == args.get("names")]
        source = None
        if "source" in body:
            source = self.one(items, {"names": body["source"]["name"]},
                              "Source volume")
        if found and over and source:
            found[0]["provisioned"] = source["provisioned"]
            found[0]["source"] = {"name": source["name"]}
            return found[0]
        name = self.one(items, args, "Volume", absent=True)
        size = source["provisioned"] if source else body.get("provisioned")
        self.check_size(size, name)
        serials = {i.get("serial") for i in items}
        serial = next(iter(serials))[:16] if serials else "9A738ED78583FD12"
        while True:
            fresh = serial + "%08X" % random.randrange(1 << 20, 1 << 32)
            if fresh not in serials:
                break
        volume = {"id": "v-" + fresh.lower(), "name": name, "serial": fresh,
                  "provisioned": size, "created": int(time.time() * 1000),
                  "destroyed": False, "time_remaining": None,
                  "source": {"name": source["name"] if source else None},
                  "pod": {}, "volume_group": {},
                  "qos": dict({"bandwidth_limit": None, "iops_limit": None},
                              **body.get("qos", {})),
                  "subtype": "regular", "connection_count": 0,
                  "space": {"total_physical": 0}}
        items.append(volume)
        self.hook("create", volume)
        return volume

    @staticmethod
    def check_size(size, name):
        if not isinstance(size, int) or size < 1048576 or size % 512 or \
                size > 4503599627370496:
            raise Refused("Invalid size.", name)

    def rename(self, items, volume, name):
        if any(i["name"] == name for i in items):
            raise Refused("Volume already exists.", name)
        was = volume["name"]
        volume["name"] = name
        if os.path.exists(self.path("connections")):
            connections = self.items("connections")
            for c in connections:
                if c["volume"]["name"] == was:
                    c["volume"]["name"] = name
            self.write("connections", connections)
        self.hook("rename", volume)

    def resize(self, volume, size, args):
        self.check_size(size, volume["name"])
        if size < volume["provisioned"] and args.get("truncate") != "true":
            raise Refused("Implicit truncation not permitted.",
                          volume["name"])
        volume["provisioned"] = size
        self.hook("resize", volume)

    def connected(self, name):
        return os.path.exists(self.path("connections")) and any(
            c["volume"]["name"] == name for c in self.items("connections"))

    def hosts(self, verb, items, args, body):
        if verb == "POST":
            self.only(body, "iqns", "wwns", "nqns", "personality")
            for port in body.get("iqns", []) + body.get("wwns", []):
                if any(port in h.get("iqns", []) + h.get("wwns", [])
                       for h in items):
                    raise Refused("The specified port is already in use.",
                                  port)
            host = {"name": self.one(items, args, "Host", absent=True),
                    "iqns": body.get("iqns", []),
                    "wwns": body.get("wwns", []),
                    "nqns": body.get("nqns", []), "connection_count": 0}
            items.append(host)
            return [host]
        host = self.one(items, args, "Host")
        if verb == "DELETE":
            if any(c["host"].get("name") == host["name"]
                   for c in self.items("connections")):
                raise Refused("Host has connected volumes.", host["name"])
            items.remove(host)
            return []
        self.only(body, "name", "iqns", "wwns", "nqns", "add_iqns",
                  "remove_iqns")
        for key in ("iqns", "wwns", "nqns", "name"):
            if key in body:
                host[key] = body[key]
        host["iqns"] = [i for i in host["iqns"] + body.get("add_iqns", [])
                        if i not in body.get("remove_iqns", [])]
        return [host]

    def connections(self, verb, items, args, body):
        host, volume = args.get("host_names"), args.get("volume_names")
        found = [c for c in items if c["host"].get("name") == host and
                 c["volume"]["name"] == volume]
        volumes = self.items("volumes")
        of = self.one(volumes, {"names": volume}, "Volume")
        self.one(self.items("hosts"), {"names": host}, "Host")
        if verb == "POST":
            self.only(body, "lun")
            if found:
                raise Refused("Connection already exists.", volume)
            if of["destroyed"]:
                raise Refused("Volume has been destroyed.", volume)
            taken = [c["lun"] for c in items if c["host"].get("name") == host]
            lun = body.get("lun") or min(set(range(1, 4096)) - set(taken))
            if lun in taken:
                raise Refused("LUN is in use.", volume)
            given = {"host": {"name": host}, "host_group": {},
                     "volume": {"id": of["id"], "name": volume}, "lun": lun}
            items.append(given)
        elif verb == "DELETE":
            if not found:
                raise Refused("Connection does not exist.", volume)
            given = found[0]
            items.remove(given)
        else:
            raise Refused("method not allowed", None, 405)
        of["connection_count"] = sum(
            c["volume"]["name"] == volume for c in items)
        self.write("volumes", volumes)
        self.hook("connect" if verb == "POST" else "disconnect", of, host)
        return [given] if verb == "POST" else []

    # FlashBlade.

    def file_systems(self, verb, items, args, body):
        if verb == "POST":
            name = self.one(items, args, "File system", absent=True)
            nfs = dict({"v3_enabled": False, "v4_1_enabled": False,
                        "rules": ""}, **body.get("nfs", {}))
            made = {"id": "fs-%08x" % random.randrange(1 << 32),
                    "name": name, "provisioned": body.get("provisioned", 0),
                    "created": int(time.time() * 1000), "destroyed": False,
                    "time_remaining": None, "nfs": nfs,
                    "smb": dict({"enabled": False}, **body.get("smb", {})),
                    "http": dict({"enabled": False}, **body.get("http", {})),
                    "hard_limit_enabled": body.get("hard_limit_enabled",
                                                   False),
                    "source": {}, "space": {"total_physical": 0}}
            items.append(made)
            self.hook("create", made)
            return [made]
        fs = self.one(items, args, "File system")
        if verb == "DELETE":
            return self.eradicate(items, fs, "File system")
        if "name" in body:
            raise Refused("Invalid parameter name: it is read-only.",
                          fs["name"])
        if fs["destroyed"] and body != {"destroyed": False}:
            raise Refused("File system is destroyed.", fs["name"])
        for key in ("nfs", "smb", "http"):
            fs.setdefault(key, {}).update(body.get(key, {}))
        if "provisioned" in body:
            fs["provisioned"] = body["provisioned"]
            self.hook("resize", fs)
        if "destroyed" not in body:
            return [fs]
        if body["destroyed"] and (
                fs["nfs"].get("v3_enabled") or fs["nfs"].get("v4_1_enabled")
                or fs["smb"].get("enabled") or fs["http"].get("enabled")):
            raise Refused("File system cannot be destroyed while a protocol "
                          "is enabled.", fs["name"])
        return self.mark(fs, body["destroyed"], "File system")
