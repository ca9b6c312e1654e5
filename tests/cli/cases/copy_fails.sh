# What keeps a copy from being made is told with what to do about it.
[ "$(id -u)" = 0 ] || skip "other users' stores, and mounts, need root"
trap 'umount -l ro disk 2>/dev/null' EXIT
plain() { sed -E 's/[0-9a-f]{44}/OBJECT/; s/ at offset [0-9]+: .*/ at OFFSET/; s/pack-ID32/PACK/; s/[0-9]+ (bytes|more)/N \1/g; s/: at least.*//'; }
mkdir d ro disk
seq 1 90000 >d/a
quietly varve init
quietly varve add -q -s a -t 2021-01-01 d
quietly varve init --like store like
# Whose it is not, and where nobody may write.
mount --bind like ro && mount -o remount,bind,ro ro || skip "nothing can be mounted"
t varve copy --to ro a
t varve copy --to ro -n a
umount ro
# No room.
mount -t tmpfs -o size=2m,mode=0700 varve-cli disk
quietly varve init --store disk/s
head -c 6000000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null >d/noise
quietly varve add -q -s b -t 2021-01-02 d
varve copy -q --to disk/s b 2>&1 | plain
umount disk
# Damage in the store that is copied from: what is whole is copied.
mkdir e && seq 5 >e/five
quietly varve add -q -s c -t 2021-01-03 e
pack=$(ls -S store/packs/*/* | head -n 1)
chmod u+w "$pack"
printf damage | dd of="$pack" bs=1 seek=50000 conv=notrunc 2>/dev/null
varve copy --to like b 2>&1 | plain
varve copy --to like -q --all 2>&1 | plain
varve list --store like --names
