#!/bin/bash
# The REST client's changing calls against simulated arrays: what arrives, what
# is refused, what is not known, and what the journal has of it.
# usage: rest.sh REST_CALL
mine=$(cd "$(dirname "$0")" && pwd)
here=$mine/../store
name=rest
. "$here/prelude"
. "$mine/servers"
rest_call=$(realpath "${1:?usage: rest.sh REST_CALL}")
cd "$work" || exit 1
mkdir runs
"$mine/world.py" w
FA_TOKEN=$(sed -n 1p w/secrets) FB_TOKEN=$(sed -n 3p w/secrets)
SESSION=$(sed -n 9p w/secrets)
export FA_TOKEN FB_TOKEN SESSION
make_servers
read -r fa fb <w/ports
ask() { # fa|fb VERB RESOURCE NAMES BODY...
	local port=$fa token=$FA_TOKEN
	[ "$1" = fa ] || { port=$fb; token=$FB_TOKEN; }
	VARVE_ARRAY_TOKEN=$token "$rest_call" "$1" "127.0.0.1:$port" ca.pem \
		runs "${@:2}" 2>&1
}
answers() { # WHAT WORDS fa|fb VERB...: the last answer begins so
	local what=$1 words=$2
	shift 2
	ask "$@" >log
	case $(tail -n 1 log) in
	"$words"*) verdict 0 "$what" ;;
	*) verdict 1 "$what" ;;
	esac
}
fault() { echo "$*" >w/change-fault; }
G=1073741824

# FlashArray.
answers "a volume is made" 'done {"items":[{"id":"v-' \
	fa POST volumes new "{\"provisioned\":$G}"
check "the array has it" has fa1 volumes new provisioned $G
answers "once" 'EPERM: POST volumes?names=new: it answers with status 400: Volume already exists. of new' \
	fa POST volumes new "{\"provisioned\":$G}"
answers "it is renamed" 'done' fa PATCH volumes new '{"name":"pod2::other"}'
check "and keeps its serial" has fa1 volumes pod2::other destroyed false
answers "found by its new name" 'done {"id":"v-' fa find volumes pod2::other -
answers "and not by the old" "ENOENT: it has no 'new' among its volumes" \
	fa find volumes new -
answers "it grows" done fa PATCH volumes pod2::other "{\"provisioned\":$((2 * G))}"
answers "and does not shrink by itself" \
	'EPERM: PATCH volumes?names=pod2::other: it answers with status 400: Implicit' \
	fa PATCH volumes pod2::other "{\"provisioned\":$G}"
answers "what is not destroyed is not eradicated" EPERM \
	fa DELETE volumes pod2::other -
answers "no name and destroyed at once" EPERM \
	fa PATCH volumes pod2::other '{"name":"x","destroyed":true}'
answers "it is destroyed, recovered, destroyed" done \
	fa PATCH volumes pod2::other '{"destroyed":true}' \
	PATCH volumes pod2::other '{"destroyed":false}' \
	PATCH volumes pod2::other '{"destroyed":true}'
check "the array has it so" has fa1 volumes pod2::other time_remaining 86400000
touch w/safemode
answers "SafeMode keeps it" \
	'EACCES: DELETE volumes?names=pod2::other: it answers with status 403: Eradication is disabled' \
	fa DELETE volumes pod2::other -
rm w/safemode
answers "else it is eradicated" done fa DELETE volumes pod2::other -
has fa1 volumes pod2::other
[ $? -eq 1 ]
verdict $? "and gone"
answers "a connected volume is not destroyed" EPERM \
	fa PATCH volumes pod1::legacy-oracle '{"destroyed":true}'
answers "a host is made" done \
	fa POST hosts h1 '{"iqns":["iqn.2026-11.example:h1"]}'
answers "a name with a comma is none" "EINVAL: 'a,b' is no name" \
	fa PATCH volumes a,b '{"destroyed":true}'

# FlashBlade.
answers "a file system is made, with a rule" done fb POST file-systems f1 \
	"{\"provisioned\":$G,\"nfs\":{\"v3_enabled\":true,\"rules\":\"10.0.0.1(rw,no_root_squash)\"}}"
check "the array has the rule" \
	has fb1 file-systems f1 nfs.rules '10.0.0.1(rw,no_root_squash)'
answers "it has its name for good" EPERM fb PATCH file-systems f1 '{"name":"f2"}'
answers "an exported one is not destroyed" EPERM \
	fb PATCH file-systems f1 '{"destroyed":true}'
answers "unless its protocols go with it" done fb PATCH file-systems f1 \
	'{"nfs":{"v3_enabled":false,"v4_1_enabled":false},"smb":{"enabled":false},"http":{"enabled":false},"destroyed":true}'
answers "and eradicated" done fb DELETE file-systems f1 -

# What goes wrong on the way.
made() { calls | grep -c "POST volumes $1 "; }
fault 1 busy
answers "a busy array is asked again" done fa POST volumes b "{\"provisioned\":$G}"
[ "$(made b)" = 2 ]
verdict $? "once"
fault 1 expire
answers "an ended session is begun anew" done \
	fa POST volumes e "{\"provisioned\":$G}"
fault 1 error
answers "what it fails at is told" \
	'EIO: POST volumes?names=x: it answers with status 500: internal error' \
	fa POST volumes x "{\"provisioned\":$G}"
for how in drop lost; do
	fault 2 $how
	answers "no answer ($how) is not known to be done" \
		'EINPROGRESS: POST volumes?names='$how': whether it did this is not known' \
		fa POST volumes first-$how "{\"provisioned\":$G}" \
		POST volumes $how "{\"provisioned\":$G}"
	[ "$(made $how)" = 1 ]
	verdict $? "and not asked for again"
done
check "though one of them is" has fa1 volumes lost
has fa1 volumes drop
[ $? -eq 1 ]
verdict $? "and one is not"

# Journals.
last=$(find runs -name journal -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
cut -d' ' -f2- "$last" | grep -A1 'call=2' >got
printf 'fact call=2 fa POST volumes?names=lost {"provisioned":%d}
fact came=2 whether it did this is not known: ' $G >want
head -c "$(wc -c <want)" got | diff want - >>log
verdict $? "the journal has it before and after"
chmod 700 runs
! grep -rqF -e "$FA_TOKEN" -e "$FB_TOKEN" -e "$SESSION" runs w/calls w/requests
verdict $? "and no secret"
end_servers
exit $failed
