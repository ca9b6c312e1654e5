"""What a command of a pod finds: where claims are mounted, who it is.

A claim NS/NAME is the directory KUBE/claims/NS/NAME.  It is mounted in a mount
namespace that the command alone has; a mountPath that this machine does not have is
made there, and nowhere else.
"""
import os

MS_BIND, MS_REC, MS_PRIVATE, MS_RDONLY, MS_REMOUNT = \
    4096, 16384, 1 << 18, 1, 32


class Mounts:
    """Of a command: made in a namespace of its own, gone with it."""

    def __init__(self, root):
        import ctypes
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.root, self.rooted = root, False
        if self.libc.unshare(0x20000) < 0:
            raise OSError("a pod's mounts want root")
        self.mount("none", "/", "", MS_REC | MS_PRIVATE)

    def mount(self, source, target, kind, flags):
        if self.libc.mount(source.encode(), target.encode(), kind.encode(),
                           flags, None) < 0:
            raise OSError("cannot mount on " + target)

    def graft(self, folder):
        """Make folder, of the machine, one in which names can be made."""
        top = self.root + folder
        self.mount("none", top, "tmpfs", 0)
        for name in os.listdir(folder):
            old, new = os.path.join(folder, name), os.path.join(top, name)
            if os.path.islink(old):
                os.symlink(os.readlink(old), new)
            elif os.path.isdir(old):
                os.mkdir(new)
                self.mount(old, new, "", MS_BIND | MS_REC)
            elif os.path.exists(old):
                open(new, "w").close()
                self.mount(old, new, "", MS_BIND)

    def place(self, at):
        """The directory at, as a path of this process, made if need be."""
        at = os.path.realpath(at)
        if not self.rooted and not os.path.isdir(at):
            os.makedirs(self.root, exist_ok=True)
            self.mount("/", self.root, "", MS_BIND | MS_REC)
            self.rooted = True
        if not self.rooted:
            return at
        if not os.path.isdir(self.root + at):
            above = at
            while not os.path.isdir(self.root + above):
                above = os.path.dirname(above)
            # one that only this pod has can have names made in it
            if os.path.isdir(above) and above == os.path.realpath(above) \
                    and above not in self.grafted:
                self.graft(above)
                self.grafted.add(above)
            os.makedirs(self.root + at)
        return self.root + at

    grafted = set()

    def enter(self):
        if self.rooted:
            os.chroot(self.root)


def enter(kube, ns, pod, container):
    """Behind a fork: its mounts, user, directory; gives its environment."""
    name = pod["metadata"]["name"]
    folder = os.path.join(kube, "pods", ns, name)
    environment = dict(os.environ, NS=ns, POD=name)
    for entry in container.get("env", []):
        environment[entry["name"]] = entry.get("value", "")
    try:
        with open(os.path.join(folder, "env")) as f:
            for line in f:
                key, _, value = line.rstrip("\n").partition("=")
                environment[key] = value
    except FileNotFoundError:
        pass
    volumes = {v["name"]: v["persistentVolumeClaim"]
               for v in pod["spec"].get("volumes", [])
               if "persistentVolumeClaim" in v}
    mounts = [m for m in container.get("volumeMounts", [])
              if m["name"] in volumes]
    if mounts:
        made = Mounts(os.path.join(folder, "root"))
        # before anything hides it
        for m in sorted(mounts, key=lambda m: m["mountPath"]):
            claim = volumes[m["name"]]
            source = os.path.join(kube, "claims", ns, claim["claimName"],
                          m.get("subPath", "")).rstrip("/")
            at = made.place(m["mountPath"])
            made.mount(source, at, "", MS_BIND | MS_REC)
            if m.get("readOnly") or claim.get("readOnly"):
                made.mount("none", at, "",
                           MS_BIND | MS_REMOUNT | MS_RDONLY)
        made.enter()
    os.chdir(folder)
    top = pod["spec"].get("securityContext", {})
    own = container.get("securityContext", {})
    user = own.get("runAsUser", top.get("runAsUser"))
    group = own.get("runAsGroup", top.get("runAsGroup", 0))
    if user:
        more = [top["fsGroup"]] if "fsGroup" in top else []
        os.setgroups(more)
        os.setgid(group)
        os.setuid(user)
    return environment
