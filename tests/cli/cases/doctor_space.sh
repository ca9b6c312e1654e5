# "adds will fail": where it is said they do, and where it is not they need not.
[ "$(id -u)" = 0 ] || skip "a file system of its own needs root"
mkdir disk d
trap 'umount -l disk 2>/dev/null' EXIT
say_and_do() { # FILE-SYSTEM KILOBYTES-LEFT [no-reserve]
	mount -t tmpfs -o size=$1,mode=0700 varve-cli disk ||
		skip "no tmpfs can be mounted"
	export VARVE_STORE=$PWD/disk/store
	quietly varve init
	[ -z "${3:-}" ] || rm disk/store/reserve
	free=$(stat -f -c '%a * %S' disk)
	head -c $((free - $2 * 1024)) /dev/zero >disk/filler
	said=$(varve doctor 2>/dev/null | sed -nE '/ space /s/[0-9.]+ ([KM]i)?B/SIZE/p')
	date +%N >d/file
	if varve add -q -s a -t 2021-01-01 d >out 2>err; then
		did="it is added"
		case $said in fail*) did="$did, AGAINST WHAT WAS SAID" ;; esac
	else
		did="$(grep -o 'No space left on device' err | head -n 1)"
	fi
	echo "$2 KiB of $1${3:+, $3}: $said"
	echo "    $did"
	umount -l disk
}
say_and_do 12m 0
say_and_do 12m 64
say_and_do 12m 400
say_and_do 12m 400 no-reserve
say_and_do 12m 200 no-reserve
say_and_do 300m 7000
say_and_do 300m 7000 no-reserve
say_and_do 300m 5000 no-reserve
say_and_do 300m 100000
