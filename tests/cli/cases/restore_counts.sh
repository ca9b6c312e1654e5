# What a dry run counts and names is what the restore then does: new directories,
# those that are right and those that are not, modes, times, owners, attributes,
# links, special files, names that are one file.
[ "$(id -u)" = 0 ] || skip "owners are set by root only"
tree d
quietly varve init
mkfifo d/sub/fifo
mkdir -p d/right d/other/below
echo 1 >d/right/one && echo 2 >d/right/two && echo 3 >d/other/below/three
setfattr -n user.k -v v d/right/one d/other
find d -exec touch -h -d '2021-01-02 03:04:05' {} +
quietly varve add -q -s s -t 2021-01-02 d
harm() {
	chmod 600 out/right/one
	touch -d '2020-01-01' out/right/two out/other out/sub/fifo
	chmod 700 out/other/below
	echo more >out/other/below/three
	rm -r out/sub/deep && mkdir out/sub/deep && touch -d '2021-01-02 03:04:05' out/sub/deep out/sub
	chown -h 77:78 out/sub/link out/sub/two
	setfattr -n user.k -v w out/other
	setfattr -n user.more -v w out/right/two
	echo other >out/file
	echo extra >out/right/extra
}
said() { # FILE...: without the words that may differ
	sed 's/^Would restore/Restored/; s/ (nothing was changed)//' "$@"
}
both() { # OPTION...
	varve restore -n "$@" s out >would.raw 2>would.err
	varve restore -v "$@" s out >did.raw 2>did.err
	sort would.raw >would
	sort did.raw >did
	diff would did && cat did
	diff <(said would.err) <(said did.err)
	sed 's/.*written ([^)]*), //' did.err
}
both
both
harm
both
both
harm
both --delete --yes
rm -rf out/other && harm 2>/dev/null
both --include 'sub/*' --include three
both --include 'sub/*' --include three
# Names that are one file go on being one, where one of them is written.
echo other bytes >out/file
rm out/right/extra
both
varve restore -q s back && find back -printf '%p %y %m %n %T@\n' | sort >want
find out -printf '%p %y %m %n %T@\n' | sed s/^out/back/ | sort | diff want -
rm -rf out
both --json
