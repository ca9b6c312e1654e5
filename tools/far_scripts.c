#include "tools/far_scripts.h"

#define SYNC "sync -f \"$1\" 2>/dev/null || sync\n"
#define DIE "die() { echo \"$*\" >&2; exit 1; }\n"
/*
 * After `s=…`: wait for what a varve began that was killed or lost the pod, as that
 * goes on.  Whatever it runs holds the lock, too.
 */
#define ALONE \
	"[ ! -e \"$s/lock\" ] || {\n" \
	" exec 9>>\"$s/lock\"\n" \
	" flock -w 60 -E 75 9 || {\n" \
	"  [ $? != 75 ] || echo \"what was begun there before still runs: try" \
	" again when it has ended, or the pod is gone\" >&2\n" \
	"  exit 1\n" \
	" }\n" \
	"}\n"
/* A volume's root is not touched itself, but for its time. */
#define ROOT_TIME(n) \
	"[ -n \"$3\" ] || [ -z \"$" n "\" ] || touch -d \"@$" n "\" \"$1\"\n"
#define ROOT_FIND(lost) \
	"-mindepth 1 -maxdepth 1 ! -name '.varve-push-*' " \
	"${" lost ":+! -name lost+found}"

const char far_look[] =
	DIE
	"look() {\n"
	"lack=\n"
	"for t in tar find sort stat sha256sum mv tee touch wc sync ${2:+flock}; do\n"
	" command -v $t >/dev/null || lack=\"$lack $t\"\n"
	"done\n"
	"for t in tar find mv stat; do\n"
	" $t --version 2>/dev/null | grep -q GNU || lack=\"$lack GNU-$t\"\n"
	"done\n"
	"echo \"lack=$lack\"\n"
	"[ -z \"$lack\" ] || return 0\n"
	"[ -d \"$1\" ] || die \"there is no directory '$1'\"\n"
	"u=$(id -u); echo \"uid=$u\"\n"
	"[ ! -w \"$1\" ] || echo writable=1\n"
	"if [ $u = 0 ]; then f=%f; else f=%a; fi\n"
	"b=$(stat -f -c $f \"$1\"); s=$(stat -f -c %S \"$1\")\n"
	"echo \"bytes=$((b * s))\"\n"
	"[ \"$(stat -f -c %c \"$1\")\" = 0 ] ||"
	" echo \"inodes=$(stat -f -c %d \"$1\")\"\n"
	"t=$1${3:+/$3}\n"
	"if [ -L \"$t\" ]; then k=link\n"
	"elif [ -d \"$t\" ]; then k=dir; stat -c 'top=%a %u %g %.9Y' \"$t\"\n"
	"elif [ -e \"$t\" ]; then k=other; else k=absent; fi\n"
	"echo \"kind=$k\"\n"
	"[ -n \"$3\" ] || [ ! -d \"$1/lost+found\" ] || echo lost=1\n"
	"while read -r _ _ _ _ at _; do\n"
	" case $at in \"$t\"/*) echo \"mounted=$at\" ;; esac\n"
	"done </proc/self/mountinfo\n"
	"for s in \"$1\"/.varve-push-*; do\n"
	" [ -d \"$s\" ] || continue\n"
	" [ \"${s##*/}\" != \"$2\" ] || continue\n"
	" if [ -e \"$s/done\" ]; then echo \"kept=${s##*/}\"\n"
	" else echo \"other=${s##*/.varve-push-}\"; fi\n"
	"done\n"
	"}\n"
	"look \"$@\"";

const char far_claim[] =
	"s=$1/$2\n"
	"mkdir -p \"$s/new\"\n"
	/* not every volume has locks */
	"flock 9 9>>\"$s/lock\" 2>/dev/null || rm -f \"$s/lock\"\n"
	"printf '%s\\n' \"$4\" >\"$s/about.new\"\n"
	"mv -f \"$s/about.new\" \"$s/about\"\n"
	"[ -n \"$3\" ] || stat -c 'top=%a %u %g %.9Y' \"$1\"\n"
	SYNC;

const char far_stage[] =
	"s=$1/$2\n"
	"rm -rf \"$s/new\" \"$s/failed\".*\n"
	"f=$s/failed.$$\n"
	"mkdir \"$s/new\"\n"
	"exec 5>&1\n"
	"{ { tee /dev/fd/3 | {\n"
	" tar -x -p -f - -C \"$s/new\" --numeric-owner --same-owner"
	" --delay-directory-restore --xattrs --xattrs-include='*'"
	" --xattrs-exclude=security.selinux --acls"
	" --warning=no-unknown-keyword --warning=no-timestamp >&2 ||"
	" echo $? >\"$f\"\n"
	" cat >/dev/null; }; } 3>&1 |\n"
	" tee /dev/fd/4 | { n=$(wc -c); echo \"len=$n\" >&5; }; } 4>&1 |\n"
	"{ sum=$(sha256sum); echo \"sum=${sum%% *}\"; }\n"
	"if [ -e \"$f\" ]; then\n"
	" echo \"tar=$(cat \"$f\")\"; rm \"$f\"\n"
	"fi\n"
	"[ -z \"$4\" ] || rm -rf \"$s/new/lost+found\"\n"
	SYNC;

const char far_read_back[] =
	"cd \"$1/$2/new\"\n"
	"find . -printf 'E%y %m %U %G %s %T@ %n\\0%p\\0%l\\0'\n"
	"find . \\( -type b -o -type c \\) -exec"
	" stat --printf 'D%t %T\\0%n\\0' {} +\n"
	"printf 'H\\0'\n"
	"find . -type f -exec sha256sum -z {} +\n";

const char far_mark[] =
	DIE
	"s=$1/$2\n"
	"if [ \"$4\" = new ]; then t=$s/new; else t=$1${3:+/$3}; fi\n"
	"[ -d \"$t\" ] || die \"there is no '$t'\"\n"
	"cd \"$t\"\n"
	"exec 3>&1\n"
	"{ find . -mindepth 1 \\( -path './.varve-push-*' -o"
	" -path ./lost+found \\) -prune -o"
	" \\( -type d -printf '%i d %m %U %G %T@ %p\\0' \\) -o"
	" -printf '%i %y %m %U %G %T@ %s %n %l %p\\0' ||"
	" echo broken=1 >&3; } | sort -z |\n"
	"{ m=$(sha256sum); echo \"mark=${m%% *}\"; }\n"
	"stat -c 'top=%a %u %g %.9Y' .\n"
	"stat -c 'inode=%i' .";

const char far_swap[] =
	DIE
	"s=$1/$2 t=$1/$3\n"
	ALONE
	"if [ -d \"$s/new\" ]; then\n"
	" if [ -e \"$t\" ] || [ -L \"$t\" ]; then\n"
	"  [ ! -e \"$s/old\" ] || die \"'$t' was made meanwhile\"\n"
	"  mv -T \"$t\" \"$s/old\"\n"
	" fi\n"
	" mv -T \"$s/new\" \"$t\"\n"
	"fi\n"
	"[ \"$(stat -c %i \"$t\")\" = \"$4\" ] || die \"'$t' is not the new one\"\n"
	SYNC;

const char far_swap_back[] =
	DIE
	"s=$1/$2 t=$1/$3\n"
	ALONE
	"if [ ! -e \"$s/new\" ]; then\n"
	" [ \"$(stat -c %i \"$t\")\" = \"$4\" ] ||"
	" die \"'$t' was put there by somebody else\"\n"
	" mv -T \"$t\" \"$s/new\"\n"
	"fi\n"
	"if [ -e \"$s/old\" ]; then\n"
	" [ ! -e \"$t\" ] || die \"'$t' was made meanwhile\"\n"
	" mv -T \"$s/old\" \"$t\"\n"
	"fi\n"
	SYNC;

/* $attributes has the mode and owner that the root had. */
#define LIKE(from, to) \
	"[ \"$(id -u)\" != 0 ] || chown --reference=" from " " to "\n" \
	"chmod --reference=" from " " to "\n"
#define EMPTY(what, words) \
	"rest=$(find " what " -print -quit)\n" \
	"[ -z \"$rest\" ] || die \"cannot move '$rest' " words "\"\n"

const char far_set_aside[] =
	DIE
	"s=$1/$2\n"
	ALONE
	"mkdir -p \"$s/old\" \"$s/attributes\"\n"
	LIKE("\"$1\"", "\"$s/attributes\"")
	"find \"$1\" " ROOT_FIND("4") " -exec mv -n -t \"$s/old\" -- {} +\n"
	EMPTY("\"$1\" " ROOT_FIND("4"), "aside")
	SYNC;

const char far_set_aside_back[] =
	DIE
	"s=$1/$2\n"
	ALONE
	"if [ -d \"$s/old\" ]; then\n"
	" find \"$s/old\" -mindepth 1 -maxdepth 1 -exec mv -n -t \"$1\" -- {} +\n"
	EMPTY("\"$s/old\" -mindepth 1", "back")
	" rmdir \"$s/old\"\n"
	"fi\n"
	"[ ! -d \"$s/attributes\" ] || rmdir \"$s/attributes\"\n"
	ROOT_TIME("5")
	SYNC;

const char far_put[] =
	DIE
	"s=$1/$2\n"
	ALONE
	"find \"$s/new\" -mindepth 1 -maxdepth 1 -exec mv -n -t \"$1\" -- {} +\n"
	EMPTY("\"$s/new\" -mindepth 1", "into place")
	LIKE("\"$s/new\"", "\"$1\"")
	ROOT_TIME("5")
	SYNC;

const char far_put_back[] =
	DIE
	"s=$1/$2\n"
	ALONE
	"find \"$1\" " ROOT_FIND("4") " -exec mv -n -t \"$s/new\" -- {} +\n"
	EMPTY("\"$1\" " ROOT_FIND("4"), "back")
	LIKE("\"$s/attributes\"", "\"$1\"")
	SYNC;

const char far_keep[] =
	"s=$1/$2\n"
	ALONE
	"[ -n \"$3\" ] || [ ! -d \"$s/attributes\" ] || {\n"
	LIKE("\"$s/attributes\"", "\"$s/old\"")
	"}\n"
	"rm -rf \"$s/new\" \"$s/attributes\" \"$s/lock\"\n"
	": >\"$s/done\"\n"
	ROOT_TIME("4")
	SYNC;

const char far_discard[] =
	"rm -rf \"$1/$2\"\n"
	ROOT_TIME("4")
	SYNC;

const char far_unstage[] =
	"rm -rf \"$1/$2/new\"\n"
	SYNC;

const char far_unclaim[] =
	DIE
	"s=$1/$2\n"
	ALONE
	"if [ -d \"$s/old\" ]; then\n"
	" rmdir \"$s/old\" || die \"the former tree is still in '$s/old'\"\n"
	"fi\n"
	"u=$(stat -c '%a %u %g %.9Y' \"$1\")\n"
	"rm -rf \"$s\"\n"
	"[ -z \"$5\" ] || [ \"$u\" = \"$5\" ] || set -- \"$1\" \"$2\" \"$3\" ''\n"
	ROOT_TIME("4")
	SYNC;

const char far_discard_kept[] =
	"t=$1 n=0\n"
	"m=$(stat -c %.9Y \"$t\")\n"
	"for s in \"$t\"/.varve-push-*; do\n"
	" [ -e \"$s/done\" ] || continue\n"
	" [ ! -e \"$s/about\" ] || grep -qxF \"target=$4\" \"$s/about\" ||"
	" continue\n"
	" rm -rf \"$s/old\" \"$s/new\" \"$s/attributes\" \"$s/about\"\n"
	" rm -rf \"$s\"\n"
	" n=$((n + 1))\n"
	"done\n"
	"[ $n = 0 ] || touch -d \"@$m\" \"$t\"\n"
	"echo \"count=$n\"\n"
	SYNC;

const char far_capture[] =
	"export LC_ALL=C; cd \"$1\" && exec tar -c -f - --format=posix"
	" --pax-option=delete=atime,delete=ctime --numeric-owner --sparse"
	" --one-file-system --xattrs --xattrs-include='*'"
	" --xattrs-exclude=security.selinux --acls"
	" --anchored --exclude='./.varve-push-*' --exclude=./lost+found .";
