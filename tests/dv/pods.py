"""How a command runs in a pod of the simulator: in a mount namespace that has the
pod's volumes where it mounts them, and the image's /opt/dv, as its user."""
import os

SCRIPT = r"""
set -e
kube=$1 uid=$2 gid=$3
shift 3
mount --make-rprivate /
mount -t tmpfs -o mode=755 none /mnt.hold 2>/dev/null || true
for word in "$@"; do
	shift
	[ "$word" != -- ] || break
	case $word in
	mnt) mount -t tmpfs -o mode=755 pod /mnt ;;
	*)
		from=${word%%|*} rest=${word#*|}
		to=${rest%%|*} how=${rest#*|}
		mkdir -p "$from" "$to"
		mount --bind "$from" "$to"
		[ "$how" = rw ] || mount -o remount,bind,ro "$to"
		;;
	esac
done
mount -t tmpfs -o mode=755 image /opt
mkdir /opt/dv /opt/bin
mount --bind "$kube/image" /opt/dv
[ ! -e "$kube/sudo" ] || { cp "$kube/sudo" /opt/bin/sudo; chmod 4755 /opt/bin/sudo; }
export PATH=/opt/bin:$PATH HOME=/
[ "$uid" = 0 ] || set -- setpriv --reuid "$uid" --regid "$gid" --groups 43999 -- "$@"
cd /
exec "$@"
"""


def command_of(kube, pod, container, command):
    spec = pod["spec"]
    claims = {v["name"]: v.get("persistentVolumeClaim", {}).get("claimName")
              for v in spec.get("volumes", [])}
    uid = (container.get("securityContext") or {}).get("runAsUser") or \
        (spec.get("securityContext") or {}).get("runAsUser") or 0
    words = ["mnt"]
    for mount in container.get("volumeMounts", []):
        claim = claims.get(mount["name"])
        if not claim:
            continue
        where = os.path.join(kube, "pv", claim, mount.get("subPath", ""))
        words.append(f"{where}|{mount['mountPath']}|"
                     f"{'ro' if mount.get('readOnly') else 'rw'}")
    return ["unshare", "-m", "bash", "-c", SCRIPT, "pod", kube, str(uid),
            "43999"] + words + ["--"] + command
