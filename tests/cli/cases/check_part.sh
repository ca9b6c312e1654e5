# "going on where the last such check ended": each pack is read in its turn.
mkdir d
quietly varve init
for i in 1 2 3 4 5; do
	seq $i 40000 >d/$i
	head -c 200000 /dev/zero | openssl enc -aes-128-ctr -K 0$i -iv 00 \
		2>/dev/null >d/noise$i
	quietly varve add -q -s a -t 2021-01-0$i d
done
read_now() { # what one check read
	varve check --json "$@" 2>/dev/null | sed 's/.*"packs_read":\([0-9]*\).*/\1/'
}
packs=$(find store/packs -type f | wc -l)
bytes=$(find store/packs -type f -printf '%s\n' | awk '{ n += $1 } END { print n }')
total=0 times=0
while [ $total -lt "$packs" ] && [ $times -lt 40 ]; do
	n=$(read_now --read-data=3%)
	[ "$n" -ge 1 ] || echo "nothing was read"
	total=$((total + n)) times=$((times + 1))
done
[ $times -le 34 ] && echo "all within 34 times 3%"
# By then each was read: a bit in any of them has been met.
for pack in store/packs/*/*; do
	rm -rf other
	cp -a store other
	chmod u+w "other/${pack#store/}"
	at=$(($(stat -c %s "$pack") / 2))
	byte=$(od -An -tu1 -j $at -N 1 "$pack")
	printf "\\$(printf %03o $((byte ^ 16)))" | dd bs=1 seek=$at \
		of="other/${pack#store/}" conv=notrunc 2>/dev/null
	for i in $(seq 34); do
		varve check --store other --read-data=3% >/dev/null 2>&1 || break
	done
	[ "$i" -lt 34 ] || echo "not found in 34 times: $pack"
done
[ "$(read_now --read-data=100%)" = "$packs" ] && echo "100% is all"
[ "$(read_now --read-data=$bytes)" = "$packs" ] && echo "so is its size"
[ "$(read_now --read-data=4K)" -lt "$packs" ] && echo "a little is not all"
# What cron leaves of 3%, which ends a crontab's line, is no size.
for bad in 0% 101% x% % 3%% 0 3 many; do
	t varve check --read-data=$bad
done
