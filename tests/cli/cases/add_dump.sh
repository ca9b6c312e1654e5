# The README's line for a dump, as it stands there: one that fails is no backup.
line=$(grep pg_dumpall "$MANUAL_SOURCE/../../README.md")
mkdir bin
export PATH=$PWD/bin:$PATH
quietly varve init
dump() { # STATUS
	printf '#!/bin/sh\nseq 70001 75000\nexit %d\n' "$1" >bin/pg_dumpall
	chmod +x bin/pg_dumpall
	bash -c "$line" >said
	echo "[$?]"
	grep INCOMPLETE said
}
dump 0
dump 1
varve list --json | grep -o '"kind":"[a-z]*"\|"incomplete":[^,]*'
