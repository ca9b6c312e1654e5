#!/bin/bash
# What the image of the simulator does for a backup, step by step as the document
# tells of the vendor's.  A file of a step's name in /opt/dv/faults fails it.
versioned=/mnt/PV/versioned bar=/mnt/PV/bar marker=/mnt/marker_files/.bar
fault() { # STEP
	while [ -e /opt/dv/faults/hang-"$1" ]; do
		echo "hanging at $1"
		sleep 0.3
	done
	[ ! -e /opt/dv/faults/"$1" ] || {
		echo "Operation failed: at $1"
		exit 1
	}
}
ts=$(cat /opt/dv/clock 2>/dev/null)
ts=${ts:-$(date -u +%Y-%m-%d-%H-%M-%S)}
echo "Stop DV components"
sudo touch $marker
fault marker
mkdir $bar/$ts 2>/dev/null || {
	echo "Operation failed: [Errno 13] Permission denied: '$bar/$ts'"
	exit 1
}
mkdir -p $bar/$ts/tmp/work
fault mkdir
[ ! -e $versioned/.writers ] || {
	echo "tar: engine/db2/log: file changed as we read it"
	echo "Operation failed: tar ended with exit code 1"
	exit 1
}
sudo tar -C $versioned/metastore --numeric-owner -czf - . \
	>$bar/$ts/dv_backup_dv_metastore.tar.gz || exit 1
fault metastore
sudo tar -C $versioned --numeric-owner -czf - engine \
	>$bar/$ts/dv_backup_dv_engine.tar.gz || exit 1
echo scratch >$bar/$ts/tmp/work/list
fault engine
cd $bar/$ts || exit 1
parts="dv_backup_dv_metastore.tar.gz dv_backup_dv_engine.tar.gz"
[ ! -e /opt/dv/faults/short ] || parts=dv_backup_dv_metastore.tar.gz
# shellcheck disable=SC2086
sudo tar -czf dv_backup.tar.gz $parts || exit 1
fault joined
ln -sfn $bar/$ts/dv_backup.tar.gz $bar/dv_backup.tar.gz
fault link
echo "Start DV components"
sudo rm -f $marker
echo "Backup $ts is done"
