# mount(8) calls `varve STORE MOUNTPOINT -o OPTIONS` for type fuse.varve.
[ -w /dev/fuse ] || skip "/dev/fuse cannot be opened"
[ "$(id -u)" = 0 ] || skip "only root may call mount(8)"
tree d
quietly varve init
quietly varve add -q -s web/etc -t 2021-01-22 d
mkdir mnt
end() { varve umount "$PWD/mnt" 2>/dev/null; }
trap end EXIT
t varve mount mnt
ls mnt/web/etc
cat mnt/web/etc/latest/file
t varve mount mnt
t varve umount mnt
t varve umount mnt
t varve "$PWD/store" "$PWD/mnt" -o ro,dev,suid,uid=77,source=web/*
stat -c %u mnt/web/etc/latest/file
t varve umount mnt
# The PATH of mount.fuse is its own, so the program is named whole.
t mount -t fuse -o ro,umask=027 "$(command -v varve)#$PWD/store" "$PWD/mnt"
stat -c %a mnt/web/etc/latest/file
t umount mnt
# A mount whose server died is taken away first.
varve mount -f mnt &
for i in $(seq 100); do [ -e mnt/web ] && break; sleep 0.05; done
{ kill -9 $! && wait $!; } 2>/dev/null # bash tells of it sooner or later
ls mnt 2>&1 | grep -o 'not connected'
t varve mount mnt
t varve umount mnt
t varve mount -o rw mnt
t varve mount -o uid=x mnt
t varve mount nothere
t varve mount store
t varve mount --store nosuch mnt
