"""How a command runs in a pod of the simulator: in a mount namespace that has the
pod's volumes where it mounts them, and the image's /opt/dv, as its user."""
import ctypes
import os
import shutil

LIBC = ctypes.CDLL(None, use_errno=True)
NEWNS, BIND, REC, PRIVATE, RDONLY, REMOUNT = \
    0x20000, 4096, 16384, 1 << 18, 1, 32
SYSDV = 43999


def call(what, *words):
    if what(*words) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(words))


def mount(source, target, kind=None, flags=0, data=None):
    call(LIBC.mount, *[w.encode() if isinstance(w, str) else w
                       for w in (source, target, kind)],
         ctypes.c_ulong(flags), data.encode() if data else None)


def bind(source, target, read_only=False):
    os.makedirs(source, exist_ok=True)
    os.makedirs(target, exist_ok=True)
    mount(source, target, None, BIND)
    if read_only:
        mount(None, target, None, BIND | REMOUNT | RDONLY)


def enter(kube, pod, container):
    """In a child of its own, before exec."""
    spec = pod["spec"]
    claims = {v["name"]: v.get("persistentVolumeClaim", {}).get("claimName")
              for v in spec.get("volumes", [])}
    uid = (container.get("securityContext") or {}).get("runAsUser") or \
        (spec.get("securityContext") or {}).get("runAsUser") or 0
    call(LIBC.unshare, NEWNS)
    mount(None, "/", None, REC | PRIVATE)
    # nothing of the host's is seen where the pod mounts its own
    hold = os.open(kube, os.O_PATH | os.O_DIRECTORY)
    for top in ("/mnt", "/opt"):
        mount("pod", top, "tmpfs", 0, "mode=755")
    for one in container.get("volumeMounts", []):
        if claims.get(one["name"]):
            bind(os.path.join(f"/proc/self/fd/{hold}/pv", claims[one["name"]],
                              one.get("subPath", "")), one["mountPath"],
                 one.get("readOnly", False))
    bind(f"/proc/self/fd/{hold}/image", "/opt/dv")
    os.mkdir("/opt/bin")
    if os.path.exists(os.path.join(kube, "sudo")):
        shutil.copyfile(os.path.join(kube, "sudo"), "/opt/bin/sudo")
        os.chmod("/opt/bin/sudo", 0o4755)
    os.close(hold)
    os.environ["PATH"] = "/opt/dv/bin:/opt/bin:" + os.environ["PATH"]
    os.environ["HOME"] = "/"
    # the machine's may be closed to this user
    os.environ.pop("TMPDIR", None)
    os.umask(0o022)
    if uid:
        os.setgroups([SYSDV])
        os.setgid(SYSDV)
        os.setuid(uid)
    os.chdir("/")
